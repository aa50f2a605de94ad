"""Shapes of customers in and out."""

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from core.api.serializers import InputSerializer
from customers.models import CODE_PATTERN, Customer, PhoneCode

_CUSTOMER = {
    "code": "C1001",
    "name": "Wanjiru Kamau",
    "phone": "+254722000000",
    "email": "wanjiru@example.com",
    "language": "sw",
}


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A customer",
            {
                **_CUSTOMER,
                "created_at": "2026-11-21T08:00:00Z",
                "updated_at": "2026-11-21T08:00:00Z",
            },
        )
    ]
)
class CustomerSerializer(serializers.ModelSerializer[Customer]):
    class Meta:
        model = Customer
        fields = ("code", "name", "phone", "email", "language", "created_at", "updated_at")


@extend_schema_serializer(
    examples=[OpenApiExample("With a phone", {"name": "Wanjiru Kamau", "phone": "0722 000 000"})]
)
class CustomerInput(InputSerializer):
    """A customer; `name` and one of `phone` and `email` are needed."""

    name = serializers.CharField(max_length=200)
    phone = serializers.CharField(
        max_length=32,
        required=False,
        allow_blank=True,
        help_text="As people write it; without a country code it is of the shop's region.",
    )
    email = serializers.EmailField(max_length=254, required=False, allow_blank=True)
    code = serializers.RegexField(
        rf"^{CODE_PATTERN}\Z", required=False, help_text="Left out, one is made."
    )
    language = serializers.ChoiceField(choices=settings.LANGUAGES, required=False)

    ignored = ("created_at", "updated_at")


@extend_schema_serializer(examples=[OpenApiExample("In Kiswahili", {"language": "sw"})])
class MyCustomerInput(InputSerializer):
    language = serializers.ChoiceField(choices=settings.LANGUAGES, required=False)

    ignored = ("code", "name", "phone", "email", "created_at", "updated_at")


@extend_schema_serializer(examples=[OpenApiExample("A phone", {"phone": "0722 000 000"})])
class PhoneInput(InputSerializer):
    phone = serializers.CharField(max_length=32, help_text="As people write it.")


class PhoneCodeSerializer(serializers.ModelSerializer[PhoneCode]):
    class Meta:
        model = PhoneCode
        fields = ("phone", "expires_at")


@extend_schema_serializer(examples=[OpenApiExample("The code", {"code": "012345"})])
class CodeInput(InputSerializer):
    code = serializers.CharField(max_length=12)
