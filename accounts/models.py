"""Who signs in, what they are in the shop, and what they did about it."""

import uuid
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.validators import URLValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from .permissions import labels_of
from .querysets import (
    InvitationQuerySet,
    MachineQuerySet,
    MembershipQuerySet,
    UserManager,
)
from .states import Action, Role, Source, Standing


def _rights_field() -> Any:
    return ArrayField(
        models.CharField(max_length=32), default=list, blank=True, help_text="Of SHOP_RIGHTS."
    )


class User(AbstractUser):
    """A person or machine that signs in.

    `subject` is what other systems know them by (the `sub` of OpenID
    Connect): it never changes and says nothing about them.
    """

    subject = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.EmailField("e-mail", blank=True, db_index=True)

    objects = UserManager()  # type: ignore[misc]  # the stub has it for instances

    def __str__(self) -> str:
        return self.get_full_name() or self.email or self.username

    @property
    def roles(self) -> list[str]:
        """What they are in the shop now, in the words of the roles claim."""
        return sorted({each.role for each in self.memberships.all() if each.is_active})


class Identity(models.Model):
    """Whom an issuer of tokens means: its own name for a user (OpenID Connect's `iss` and `sub`).

    Never an e-mail address: those change hands. The embedded provider needs
    none: its `sub` is the user's own `subject`.
    """

    issuer = models.CharField(
        max_length=255,
        validators=[URLValidator(schemes=["https", "http"])],
        help_text="Its URL, exactly as in its tokens.",
    )
    subject = models.CharField(max_length=255)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="identities")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

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


class Membership(models.Model):
    """That somebody works here: a shopkeeper may do everything, an employee what `rights` say.

    One of each source at most: a sign-in changes only what the provider decides.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices)
    source = models.CharField(max_length=8, choices=Source.choices, default=Source.LOCAL)
    rights = _rights_field()
    suspended_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        verbose_name = "employee"
        ordering = ["pk"]
        default_permissions = ()
        permissions = [
            ("manage_employees", "Can manage employees and machines"),
            ("see_reports", "Can see reports"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "source"], name="membership_is_one_for_each_user_and_source"
            ),
            models.CheckConstraint(
                condition=Q(role__in=Role.values), name="membership_role_is_known"
            ),
            models.CheckConstraint(
                condition=Q(source__in=Source.values), name="membership_source_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display().lower()})"

    @property
    def is_active(self) -> bool:
        return self.suspended_at is None

    @property
    def granted(self) -> list[str]:
        """Its rights in a shopkeeper's words."""
        return labels_of(self.rights)

    @property
    def state(self) -> Standing:
        return Standing.ACTIVE if self.is_active else Standing.SUSPENDED


class Invitation(models.Model):
    """A word to somebody that they may work here: one use, not for ever.

    Only a digest of the token is kept, so whoever reads the table cannot accept.
    """

    role = models.CharField(max_length=16, choices=Role.choices, default=Role.EMPLOYEE)
    rights = _rights_field()
    email = models.EmailField("e-mail", blank=True)
    phone = models.CharField(max_length=16, blank=True)
    token_digest = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(
        User, null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(editable=False)
    accepted_at = models.DateTimeField(null=True, editable=False)
    accepted_by = models.ForeignKey(
        User, null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(role__in=Role.values), name="invitation_role_is_known"
            ),
            models.CheckConstraint(
                condition=Q(accepted_at=None) | Q(revoked_at=None),
                name="invitation_is_not_both_accepted_and_revoked",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()}, {self.email or self.phone or 'by link'}"

    @property
    def state(self) -> Standing:
        if self.accepted_at:
            return Standing.ACCEPTED
        if self.revoked_at:
            return Standing.REVOKED
        return Standing.OPEN if self.expires_at > timezone.now() else Standing.EXPIRED


class Machine(models.Model):
    """A program's access: it signs in as `user` with client credentials, and may what `rights` say.

    With the embedded provider `client` is its OAuth client; one of an outside
    provider is known by its subject there (`Identity`).
    """

    name = models.CharField(max_length=100)
    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="machine")
    client = models.OneToOneField(
        "allauth_idp_oidc.Client", null=True, on_delete=models.SET_NULL, related_name="machine"
    )
    rights = _rights_field()
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: never.")
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    created_by = models.ForeignKey(
        User, null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = MachineQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        default_permissions = ()

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> Standing:
        if self.revoked_at:
            return Standing.REVOKED
        if self.expires_at and self.expires_at <= timezone.now():
            return Standing.EXPIRED
        return Standing.ACTIVE

    @property
    def is_usable(self) -> bool:
        return self.state == Standing.ACTIVE


class SpentRefreshToken(models.Model):
    """A refresh token that was exchanged for the next; seen again, it was stolen."""

    digest = models.CharField(max_length=255, unique=True)
    family = models.CharField(max_length=32)
    client = models.ForeignKey("allauth_idp_oidc.Client", on_delete=models.CASCADE)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"of family {self.family}"


class ProviderSession(models.Model):
    """Which session of ours came of which session (`sid`) of an outside provider."""

    issuer = models.CharField(max_length=255)
    sid = models.CharField(max_length=255, blank=True)
    subject = models.CharField(max_length=255)
    session_key = models.CharField(max_length=40, unique=True)
    created_at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["issuer", "sid"], name="provider_session_by_sid")]

    def __str__(self) -> str:
        return f"{self.subject} at {self.issuer}"


class AuditEntry(models.Model):
    """Who did what about access, when and from where. Written once, never changed."""

    at = models.DateTimeField(db_default=Now())
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    # Stays when they are gone.
    actor_subject = models.UUIDField(null=True)
    action = models.CharField(max_length=32, choices=Action.choices)
    target = models.CharField(max_length=200, blank=True, help_text="Whom or what it was about.")
    # Whom, where it was a person: names are not theirs alone.
    target_subject = models.UUIDField(null=True)
    address = models.GenericIPAddressField(null=True, help_text="Where the request came from.")
    request_id = models.CharField(max_length=128, blank=True)
    detail = models.JSONField(default=dict)

    class Meta:
        verbose_name_plural = "audit entries"
        ordering = ["-at", "-pk"]
        default_permissions = ()
        indexes = [
            models.Index(fields=["-at", "-id"], name="audit_entry_by_time"),
            models.Index(fields=["action", "-at", "-id"], name="audit_entry_by_action"),
        ]

    def __str__(self) -> str:
        at = timezone.localtime(self.at)
        return f"{at:%Y-%m-%d %H:%M} {self.get_action_display()} {self.target}".rstrip()
