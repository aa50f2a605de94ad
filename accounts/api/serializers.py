"""Shapes of accounts in and out."""

from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from accounts.models import AuditEntry, Invitation, Machine, Membership, User
from accounts.states import Role, Standing
from core.api.serializers import InputSerializer

_RIGHTS_HELP = "Of `GET /api/v1/rights/`: " + ", ".join(settings.SHOP_RIGHTS) + "."


class RightsField(serializers.ListField):
    """Rights in a shopkeeper's words."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            child=serializers.CharField(max_length=32),
            max_length=50,
            help_text=_RIGHTS_HELP,
            **kwargs,
        )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A shopkeeper",
            {
                "subject": "0b0f2f5e-4f0f-4f5c-9d0b-2f7d3b8a1c11",
                "name": "Wanjiru Kamau",
                "email": "wanjiru@example.com",
                "is_staff": True,
                "roles": ["shop-owner"],
                "permissions": ["orders.handle_order", "orders.view_order"],
            },
        )
    ]
)
class MeSerializer(serializers.ModelSerializer[User]):
    name = serializers.CharField(source="get_full_name")
    roles = serializers.ListField(child=serializers.CharField(), help_text="What they are here.")
    permissions = serializers.SerializerMethodField(help_text="All that the caller may do.")

    class Meta:
        model = User
        fields = ("subject", "name", "email", "is_staff", "roles", "permissions")

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_permissions(self, user: User) -> list[str]:
        return sorted(user.get_all_permissions())


@extend_schema_serializer(examples=[OpenApiExample("A new name", {"name": "Wanjiru K."})])
class MeInput(InputSerializer):
    name = serializers.CharField(max_length=150)

    ignored = ("subject", "email", "is_staff", "roles", "permissions")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "An employee",
            {
                "id": 3,
                "subject": "0b0f2f5e-4f0f-4f5c-9d0b-2f7d3b8a1c11",
                "name": "Baraka Mwangi",
                "email": "baraka@example.com",
                "role": "shop-employee",
                "source": "local",
                "rights": ["see_orders", "handle_orders"],
                "suspended_at": None,
                "created_at": "2026-11-21T08:00:00Z",
            },
        )
    ]
)
class EmployeeSerializer(serializers.ModelSerializer[Membership]):
    subject = serializers.UUIDField(source="user.subject")
    name = serializers.CharField(source="user.get_full_name")
    email = serializers.CharField(source="user.email")
    rights = RightsField()

    class Meta:
        model = Membership
        fields = (
            "id",
            "subject",
            "name",
            "email",
            "role",
            "source",
            "rights",
            "suspended_at",
            "created_at",
        )


@extend_schema_serializer(examples=[OpenApiExample("Other rights", {"rights": ["see_orders"]})])
class EmployeeInput(InputSerializer):
    role = serializers.ChoiceField(choices=Role.choices, required=False)
    rights = RightsField(required=False)

    ignored = ("id", "subject", "name", "email", "source", "suspended_at", "created_at")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "role" in attrs:
            attrs["role"] = Role(attrs["role"])
        return attrs


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "An invitation",
            {
                "id": 5,
                "role": "shop-employee",
                "rights": ["see_orders"],
                "email": "baraka@example.com",
                "phone": "",
                "state": "open",
                "invited_by": "Mama Njeri",
                "created_at": "2026-11-21T08:00:00Z",
                "expires_at": "2026-11-28T08:00:00Z",
                "accepted_at": None,
                "revoked_at": None,
            },
        )
    ]
)
class InvitationSerializer(serializers.ModelSerializer[Invitation]):
    rights = RightsField()
    state = serializers.ChoiceField(
        choices=[
            (each, each.label)
            for each in (Standing.OPEN, Standing.ACCEPTED, Standing.REVOKED, Standing.EXPIRED)
        ]
    )
    invited_by = serializers.StringRelatedField[Any]()

    class Meta:
        model = Invitation
        fields = (
            "id",
            "role",
            "rights",
            "email",
            "phone",
            "state",
            "invited_by",
            "created_at",
            "expires_at",
            "accepted_at",
            "revoked_at",
        )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "By e-mail",
            {"email": "baraka@example.com", "rights": ["see_orders", "handle_orders"]},
        )
    ]
)
class InvitationInput(InputSerializer):
    """Whom to invite: by `email`, by `phone`, or with neither by the `link` of the answer."""

    role = serializers.ChoiceField(choices=Role.choices, default=Role.EMPLOYEE)
    rights = RightsField(default=list)
    email = serializers.EmailField(max_length=254, required=False, allow_blank=True)
    phone = serializers.CharField(max_length=32, required=False, allow_blank=True)

    def validate_role(self, value: str) -> Role:
        return Role(value)


@extend_schema_serializer(examples=[OpenApiExample("The link's last part", {"token": "x1Y2…"})])
class AcceptInput(InputSerializer):
    token = serializers.CharField(max_length=200)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A machine",
            {
                "id": 2,
                "name": "Till",
                "client_id": "machine-8a1c…",
                "subject": "0b0f2f5e-4f0f-4f5c-9d0b-2f7d3b8a1c11",
                "rights": ["handle_orders"],
                "expires_at": None,
                "revoked_at": None,
                "last_used_at": "2026-11-21T08:00:00Z",
                "created_at": "2026-11-21T08:00:00Z",
            },
        )
    ]
)
class MachineSerializer(serializers.ModelSerializer[Machine]):
    client_id = serializers.CharField(allow_null=True, help_text="At the embedded provider.")
    subject = serializers.UUIDField(source="user.subject")
    rights = RightsField()

    class Meta:
        model = Machine
        fields = (
            "id",
            "name",
            "client_id",
            "subject",
            "rights",
            "expires_at",
            "revoked_at",
            "last_used_at",
            "created_at",
        )


@extend_schema_serializer(
    examples=[OpenApiExample("A till", {"name": "Till", "rights": ["handle_orders"]})]
)
class MachineInput(InputSerializer):
    name = serializers.CharField(max_length=100)
    rights = RightsField(required=False)
    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="When the access ends by itself; null: never."
    )

    ignored: ClassVar[tuple[str, ...]] = (
        "id",
        "client_id",
        "subject",
        "revoked_at",
        "last_used_at",
        "created_at",
    )


class NewMachineInput(MachineInput):
    subject = serializers.CharField(
        max_length=255,
        required=False,
        help_text="With an outside provider: the `sub` of the machine's tokens there.",
    )

    ignored: ClassVar[tuple[str, ...]] = (
        "id",
        "client_id",
        "revoked_at",
        "last_used_at",
        "created_at",
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "An invitation was made",
            {
                "id": 9,
                "at": "2026-11-21T08:00:00Z",
                "actor": "Mama Njeri",
                "actor_subject": "0b0f2f5e-4f0f-4f5c-9d0b-2f7d3b8a1c11",
                "action": "invited",
                "target": "Employee, baraka@example.com",
                "address": "192.0.2.7",
                "request_id": "5f2d…",
                "detail": {"rights": ["see_orders"]},
            },
        )
    ]
)
class AuditEntrySerializer(serializers.ModelSerializer[AuditEntry]):
    actor = serializers.StringRelatedField[Any]()
    detail = serializers.JSONField()

    class Meta:
        model = AuditEntry
        fields = (
            "id",
            "at",
            "actor",
            "actor_subject",
            "action",
            "target",
            "address",
            "request_id",
            "detail",
        )


class RightSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    label = serializers.CharField(  # type: ignore[assignment]  # a field, not the property
        help_text="In a shopkeeper's words."
    )
    permissions = serializers.ListField(child=serializers.CharField())
