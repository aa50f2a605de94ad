"""People who buy."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from core.phones import ImpossiblePhone, parse_phone

# A letter or digit first: "." and ".." would vanish from an address.
CODE_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}"


class Customer(models.Model):
    """Somebody the shop sells to and tells about it; may sign in as `user`, or never."""

    code = models.CharField(
        max_length=32,
        unique=True,
        blank=True,
        validators=[
            RegexValidator(
                rf"^{CODE_PATTERN}\Z",
                "Only letters, digits, dots, dashes and underscores, a letter or digit first.",
            )
        ],
        help_text="Left empty, one is made.",
    )
    name = models.CharField(max_length=200)
    phone = models.CharField(max_length=32, blank=True, db_index=True)
    email = models.EmailField("e-mail", blank=True, db_index=True)
    language = models.CharField(max_length=8, choices=settings.LANGUAGES, default="en")
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="customer",
    )
    forgotten_at = models.DateTimeField(
        null=True, editable=False, help_text="When they left; only their orders are kept."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False, db_index=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name", "pk"]
        permissions = [("manage_customers", "Can manage customers")]
        constraints = [
            models.CheckConstraint(
                condition=~Q(phone="") | ~Q(email="") | Q(forgotten_at__isnull=False),
                name="customer_can_be_reached",
                violation_error_message="Give a phone number or an e-mail address.",
            ),
            models.CheckConstraint(
                condition=Q(phone="") | Q(phone__regex=r"^\+[1-9][0-9]{6,14}$"),
                name="customer_phone_is_e164",
                violation_error_message="This is not a phone number.",
            ),
        ]
        indexes = [models.Index(fields=["name", "id"], name="customer_by_name")]

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"

    def clean(self) -> None:
        # Before the constraints, which know E.164 only.
        try:
            self.phone = parse_phone(self.phone) if self.phone else ""
        except ImpossiblePhone as error:
            raise ValidationError({"phone": error.detail}) from None


class PhoneCode(models.Model):
    """A code that was sent to a phone, to prove that somebody has it at hand."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="phone_codes"
    )
    phone = models.CharField(max_length=16, blank=True)
    # Counts for the limit also when its user has left and the number is forgotten.
    phone_digest = models.CharField(max_length=64, db_index=True)
    digest = models.CharField(max_length=64)
    tries_left = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(db_default=Now(), db_index=True)
    expires_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"for {self.phone}"
