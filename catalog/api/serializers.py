"""Shapes of the catalogue in and out."""

from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from catalog.models import Category, Product, Variant
from catalog.permissions import can_see_catalogue
from catalog.services import MAX_STOCK, NewVariant
from core.api.serializers import InputSerializer, MoneyField

from .images import ImageSerializer

_CATEGORY = {"id": 1, "slug": "drinks", "name": "Drinks", "parent": None}
_VARIANT = {
    "id": 1,
    "sku": "TEA-1",
    "name": "Chai",
    "price": "12.50",
    "currency": "KES",
    "stock": 50,
    "weight": 250,
}


class CurrencyField(serializers.ReadOnlyField):
    """The shop's currency, ISO 4217."""

    def get_attribute(self, instance: Any) -> str:
        return str(settings.SHOP_CURRENCY)


_currency = extend_schema_field({"type": "string", "minLength": 3, "maxLength": 3})(CurrencyField)


@extend_schema_serializer(examples=[OpenApiExample("A category", _CATEGORY)])
class CategorySerializer(serializers.ModelSerializer[Category]):
    parent: Any = serializers.SlugRelatedField(slug_field="slug", read_only=True, allow_null=True)

    class Meta:
        model = Category
        fields = ("id", "slug", "name", "parent")


class VariantSerializer(serializers.ModelSerializer[Variant]):
    name = serializers.CharField(source="display_name")
    price = MoneyField()
    currency = _currency()

    class Meta:
        model = Variant
        fields: tuple[str, ...] = ("id", "sku", "name", "price", "currency", "stock", "weight")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A variant",
            {**_VARIANT, "product": 1, "low_stock_threshold": 10, "archived_at": None},
        )
    ]
)
class VariantWithProductSerializer(VariantSerializer):
    low_stock_threshold = serializers.SerializerMethodField(
        help_text="Listed as low from so many pieces down. Null to all but staff."
    )
    archived_at = serializers.DateTimeField(
        allow_null=True, help_text="When it was removed; of those, only staff know."
    )

    class Meta(VariantSerializer.Meta):
        fields = (*VariantSerializer.Meta.fields, "product", "low_stock_threshold", "archived_at")

    def get_low_stock_threshold(self, variant: Variant) -> int | None:
        request = self.context.get("request")
        if request and not can_see_catalogue(request.user):
            return None
        return variant.low_stock_threshold


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A product",
            {
                "id": 1,
                "slug": "chai",
                "name": "Chai",
                "description": "",
                "category": "drinks",
                "is_published": True,
                "images": [],
                "variants": [_VARIANT],
                "created_at": "2026-11-21T08:00:00Z",
                "updated_at": "2026-11-21T08:00:00Z",
                "archived_at": None,
            },
            response_only=True,
        )
    ]
)
class ProductSerializer(serializers.ModelSerializer[Product]):
    category: Any = serializers.SlugRelatedField(slug_field="slug", read_only=True, allow_null=True)
    variants = VariantSerializer(many=True)
    images = ImageSerializer(many=True)
    archived_at = serializers.DateTimeField(
        allow_null=True, help_text="When it was removed; of those, only staff know."
    )

    class Meta:
        model = Product
        fields = (
            "id",
            "slug",
            "name",
            "description",
            "category",
            "is_published",
            "images",
            "variants",
            "created_at",
            "updated_at",
            "archived_at",
        )


class CategoryInput(InputSerializer):
    name = serializers.CharField(max_length=120)
    slug = serializers.SlugField(max_length=140, required=False)
    parent: Any = serializers.SlugRelatedField(
        slug_field="slug",
        queryset=Category.objects.all(),
        required=False,
        allow_null=True,
        help_text="Slug of the category above.",
    )

    ignored: ClassVar[tuple[str, ...]] = ("id",)


class VariantInput(InputSerializer):
    sku = serializers.CharField(max_length=64)
    name = serializers.CharField(
        max_length=200, required=False, allow_blank=True, help_text="Default: the product's name."
    )
    price = MoneyField()
    stock = serializers.IntegerField(
        min_value=0, max_value=MAX_STOCK, required=False, help_text="Pieces on hand, as counted."
    )
    weight = serializers.IntegerField(
        min_value=0, max_value=MAX_STOCK, required=False, help_text="Grams."
    )
    low_stock_threshold = serializers.IntegerField(
        min_value=0,
        max_value=MAX_STOCK,
        required=False,
        allow_null=True,
        help_text="Listed as low from so many pieces down; null: never.",
    )

    ignored: ClassVar[tuple[str, ...]] = ("id", "currency", "archived_at")


class NewVariantInput(VariantInput):
    product = serializers.PrimaryKeyRelatedField(
        queryset=Product.objects.kept(),
        # Whole numbers only: 1.5 would find product 1, and 1e400 an OverflowError.
        pk_field=serializers.IntegerField(),
    )


class VariantChangeInput(VariantInput):
    ignored: ClassVar[tuple[str, ...]] = (*VariantInput.ignored, "product")


class ProductChangeInput(InputSerializer):
    name = serializers.CharField(max_length=200)
    slug = serializers.SlugField(max_length=220, required=False)
    description = serializers.CharField(max_length=20_000, required=False, allow_blank=True)
    category = serializers.SlugRelatedField(
        slug_field="slug",
        queryset=Category.objects.all(),
        required=False,
        allow_null=True,
        help_text="Slug of its category.",
    )
    is_published = serializers.BooleanField(required=False)

    ignored: ClassVar[tuple[str, ...]] = (
        "id",
        "images",
        "variants",
        "created_at",
        "updated_at",
        "archived_at",
    )


# What a product's one variant is given beside the product's own.
_SIMPLE = ("sku", "price", "stock", "weight", "low_stock_threshold")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Simple: one variant",
            {"name": "Chai", "sku": "TEA-1", "price": "12.50", "stock": 50},
            request_only=True,
        ),
        OpenApiExample(
            "With variants",
            {
                "name": "T-shirt",
                "category": "clothes",
                "variants": [
                    {"sku": "T-M", "name": "T-shirt, M", "price": "900.00", "stock": 10},
                    {"sku": "T-L", "name": "T-shirt, L", "price": "900.00", "stock": 5},
                ],
            },
            request_only=True,
        ),
    ]
)
class NewProductInput(ProductChangeInput):
    """A product: either with `variants`, or simple with `sku`, `price`, `stock`, …."""

    sku = serializers.CharField(max_length=64, required=False)
    price = MoneyField(required=False)
    stock = serializers.IntegerField(min_value=0, max_value=MAX_STOCK, required=False)
    weight = serializers.IntegerField(min_value=0, max_value=MAX_STOCK, required=False)
    low_stock_threshold = serializers.IntegerField(
        min_value=0, max_value=MAX_STOCK, required=False, allow_null=True
    )
    variants: Any = serializers.ListSerializer(
        child=VariantInput(), required=False, allow_empty=False, max_length=100
    )

    ignored: ClassVar[tuple[str, ...]] = (
        "id",
        "images",
        "created_at",
        "updated_at",
        "archived_at",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of `create_product`."""
        simple = {name: attrs.pop(name) for name in _SIMPLE if name in attrs}
        if "variants" in attrs:
            if simple:
                raise serializers.ValidationError(
                    dict.fromkeys(simple, "Give this to each of the variants instead.")
                )
            variants = [
                NewVariant(**variant, at=("variants", index))
                for index, variant in enumerate(attrs["variants"])
            ]
        else:
            missing = {"sku", "price"} - set(simple)
            if missing:
                raise serializers.ValidationError(
                    {
                        name: serializers.ErrorDetail(
                            "Needed for a product without `variants`.", code="required"
                        )
                        for name in sorted(missing)
                    }
                )
            variants = [NewVariant(**simple)]
        return {**attrs, "variants": variants}
