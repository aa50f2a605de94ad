"""REST of the catalogue."""

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from catalog import services
from catalog.models import Category, Product, Variant
from catalog.permissions import can_manage_catalogue, can_see_catalogue
from catalog.services import NewVariant
from core.api.views import ResourceViewSet

from .filters import CategoryFilter, ProductFilter, VariantFilter
from .serializers import (
    CategoryInput,
    CategorySerializer,
    NewProductInput,
    NewVariantInput,
    ProductChangeInput,
    ProductSerializer,
    StockAdjustmentInput,
    VariantChangeInput,
    VariantWithProductSerializer,
)

_PERMITTED = {
    "list": can_see_catalogue,
    "retrieve": can_see_catalogue,
    "*": can_manage_catalogue,
}


class CategoryViewSet(ResourceViewSet):
    queryset = Category.objects.for_display()
    serializer_class = CategorySerializer
    inputs = {
        "create": CategoryInput,
        "update": CategoryInput,
        "partial_update": CategoryInput,
    }
    permitted = _PERMITTED
    filterset_class = CategoryFilter
    search_fields = ("name", "slug")
    ordering = "name"
    ordering_fields = ("name", "slug")

    def create(self, request: Request) -> Response:
        """Create a category."""
        return self.created(services.create_category(**self.input()).pk)

    def update(self, request: Request, pk: str) -> Response:
        """Change a category."""
        changes = self.input()
        return self.change_locked(
            lambda category: services.update_category(category_id=category.pk, **changes)
        )

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change some fields of a category."""
        return self.update(request, pk)

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete an empty category."""
        return self.delete_locked(
            lambda category: services.delete_category(category_id=category.pk)
        )


class ProductViewSet(ResourceViewSet):
    queryset = Product.objects.for_display()
    serializer_class = ProductSerializer
    inputs = {
        "create": NewProductInput,
        "update": ProductChangeInput,
        "partial_update": ProductChangeInput,
    }
    permitted = _PERMITTED
    filterset_class = ProductFilter
    search_fields = ("name", "slug", "description")
    ordering = "name"
    ordering_fields = ("name", "created_at")

    def create(self, request: Request) -> Response:
        """Create a product with its variants."""
        return self.created(services.create_product(**self.input()).pk)

    def update(self, request: Request, pk: str) -> Response:
        """Change a product; its variants are changed at /variants/."""
        changes = self.input()
        return self.change_locked(
            lambda product: services.update_product(product_id=product.pk, **changes)
        )

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change some fields of a product, for instance hide it."""
        return self.update(request, pk)

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a product that was never ordered."""
        return self.delete_locked(lambda product: services.remove_product(product_id=product.pk))


class VariantViewSet(ResourceViewSet):
    queryset = Variant.objects.for_display()
    serializer_class = VariantWithProductSerializer
    inputs = {
        "create": NewVariantInput,
        "update": VariantChangeInput,
        "partial_update": VariantChangeInput,
        "adjust_stock": StockAdjustmentInput,
    }
    permitted = _PERMITTED
    filterset_class = VariantFilter
    search_fields = ("sku", "name", "product__name")
    ordering = "sku"
    ordering_fields = ("sku", "price", "stock")

    def create(self, request: Request) -> Response:
        """Add a variant to a product."""
        fields = self.input()
        product = fields.pop("product")
        variant = services.add_variant(product_id=product.pk, variant=NewVariant(**fields))
        return self.created(variant.pk)

    def update(self, request: Request, pk: str) -> Response:
        """Change a variant."""
        changes = self.input()
        return self.change_locked(
            lambda variant: services.update_variant(variant_id=variant.pk, **changes)
        )

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change some fields of a variant.

        `stock` is set to what was counted. While orders come in, prefer `adjust-stock`.
        """
        return self.update(request, pk)

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a variant that was never ordered."""
        return self.delete_locked(lambda variant: services.remove_variant(variant_id=variant.pk))

    @extend_schema(responses=VariantWithProductSerializer)
    @action(detail=True, methods=["post"], url_path="adjust-stock")
    def adjust_stock(self, request: Request, pk: str) -> Response:
        """Book goods in or out, whatever orders do meanwhile."""
        adjustment = self.input()
        return self.change_locked(
            lambda variant: services.adjust_stock(variant_id=variant.pk, **adjustment)
        )
