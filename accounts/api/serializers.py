"""Shapes of accounts out."""

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from accounts.models import User


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A shopkeeper",
            {
                "subject": "0b0f2f5e-4f0f-4f5c-9d0b-2f7d3b8a1c11",
                "username": "shopkeeper",
                "name": "Wanjiru Kamau",
                "email": "wanjiru@example.com",
                "is_staff": True,
                "permissions": ["orders.handle_order", "orders.view_order"],
            },
        )
    ]
)
class MeSerializer(serializers.ModelSerializer[User]):
    name = serializers.CharField(source="get_full_name")
    permissions = serializers.SerializerMethodField(help_text="All that the caller may do.")

    class Meta:
        model = User
        fields = ("subject", "username", "name", "email", "is_staff", "permissions")

    def get_permissions(self, user: User) -> list[str]:
        return sorted(user.get_all_permissions())
