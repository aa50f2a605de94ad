"""Who signs in."""

import uuid

from django.contrib.auth.models import AbstractUser
from django.core.validators import URLValidator
from django.db import models
from django.db.models.functions import Now

from .querysets import IdentityQuerySet


class User(AbstractUser):
    """A person or machine that signs in.

    `subject` is what other systems know them by (the `sub` of OpenID
    Connect): it never changes and says nothing about them.
    """

    subject = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)


class Identity(models.Model):
    """Whom an issuer of tokens means: its own name for a user (OpenID Connect's `iss` and `sub`).

    Never an e-mail address: those change hands.
    """

    issuer = models.CharField(
        max_length=255,
        validators=[URLValidator(schemes=["https", "http"])],
        help_text="Its URL, exactly as in its tokens.",
    )
    subject = models.CharField(max_length=255)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="identities")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = IdentityQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "identities"
        constraints = [
            models.UniqueConstraint(
                fields=["issuer", "subject"],
                name="identity_is_of_one_user",
                violation_error_message="This identity belongs to a user already.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject} at {self.issuer}"
