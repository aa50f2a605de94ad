"""REST of the catalogue."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from catalog import services
from catalog.models import Category, Product, Variant
from catalog.permissions import can_manage_catalogue
from catalog.querysets import ProductQuerySet, VariantQuerySet
from catalog.services import NewVariant
from core.api.serializers import NothingInput
from core.api.views import ResourceViewSet
from core.permissions import anybody

from .filters import CategoryFilter, ProductFilter, VariantFilter
from .serializers import (
    CategoryInput,
    CategorySerializer,
    NewProductInput,
    NewVariantInput,
    ProductChangeInput,
    ProductSerializer,
    VariantChangeInput,
    VariantWithProductSerializer,
)
from .stock import StockAdjustmentInput, StockCountInput, StockReceiptInput

# Strangers see what is for sale; who works here, more.
_PERMITTED = {"list": anybody, "retrieve": anybody, "*": can_manage_catalogue}


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
        "hide": NothingInput,
        "show": NothingInput,
        "restore": NothingInput,
    }
    permitted = _PERMITTED
    filterset_class = ProductFilter
    # Its queryset searches by itself.
    search_fields = ("name", "variants__sku", "variants__name", "category__name", "description")
    ordering = "name"
    ordering_fields = ("name", "price", "created_at")

    def get_queryset(self) -> ProductQuerySet:
        products = Product.objects.for_display().visible_to(self.request.user)
        # What was removed is read and restored, nothing else.
        return products if self.action in {"list", "retrieve", "restore"} else products.kept()

    def list(self, request: Request) -> Response:
        """List products.

        Shoppers and strangers get those that are for sale, staff the hidden ones too. A search
        looks in names, SKUs, the category and the description, forgives accents and, where
        nothing is found as it is written, typing errors. It puts the best first unless
        `ordering` says otherwise.
        """
        return super().list(request)

    def create(self, request: Request) -> Response:
        """Create a product with its variants."""
        return self.created(services.create_product(**self.input(), by=self.caller).pk)

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
        """Remove a product.

        One that was never ordered is deleted. Otherwise it is archived: no longer for sale and in
        no list, while past orders still read right. Its slug and SKUs are free for others.
        """
        return self.delete_locked(lambda product: services.remove_product(product_id=product.pk))

    @extend_schema(responses=ProductSerializer)
    @action(detail=True, methods=["post"])
    def hide(self, request: Request, pk: str) -> Response:
        """Hide a product from shoppers."""
        return self._change(services.hide_product)

    @extend_schema(responses=ProductSerializer)
    @action(detail=True, methods=["post"])
    def show(self, request: Request, pk: str) -> Response:
        """Show a product to shoppers."""
        return self._change(services.show_product)

    @extend_schema(responses=ProductSerializer)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Response:
        """Bring back a product that was archived, with its variants.

        Where something else has its slug or a SKU by now, the answer is a 409 that names each.
        """
        return self._change(services.restore_product)

    def _change(self, verb: Callable[..., Product]) -> Response:
        self.input()
        return self.change_locked(lambda product: verb(product_id=product.pk))


class VariantViewSet(ResourceViewSet):
    queryset = Variant.objects.for_display()
    serializer_class = VariantWithProductSerializer
    inputs = {
        "create": NewVariantInput,
        "update": VariantChangeInput,
        "partial_update": VariantChangeInput,
        "receive_stock": StockReceiptInput,
        "adjust_stock": StockAdjustmentInput,
        "count_stock": StockCountInput,
    }
    permitted = _PERMITTED
    filterset_class = VariantFilter
    search_fields = ("sku", "name", "product__name")
    ordering = "sku"
    ordering_fields = ("sku", "price", "stock")

    def get_queryset(self) -> VariantQuerySet:
        variants = Variant.objects.for_display().visible_to(self.request.user)
        # What was removed is read, nothing else.
        return variants if self.action in {"list", "retrieve"} else variants.kept()

    def _locked_object(self) -> Any:
        key = get_object_or_404(self.get_queryset(), pk=self.kwargs["pk"]).pk
        services.lock_product_of(key)
        return super()._locked_object()

    def create(self, request: Request) -> Response:
        """Add a variant to a product."""
        fields = self.input()
        product = fields.pop("product")
        variant = services.add_variant(
            product_id=product.pk, variant=NewVariant(**fields), by=self.caller
        )
        return self.created(variant.pk)

    def update(self, request: Request, pk: str) -> Response:
        """Change a variant."""
        changes = self.input()
        return self.change_locked(
            lambda variant: services.update_variant(
                variant_id=variant.pk, by=self.caller, **changes
            )
        )

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change some fields of a variant.

        `stock` is what was counted, as at `count-stock`. While orders come in, prefer
        `receive-stock` and `adjust-stock`.
        """
        return self.update(request, pk)

    def destroy(self, request: Request, pk: str) -> Response:
        """Remove a variant: delete it, or archive it once it was ordered."""
        return self.delete_locked(lambda variant: services.remove_variant(variant_id=variant.pk))

    @extend_schema(responses=VariantWithProductSerializer)
    @action(detail=True, methods=["post"], url_path="receive-stock")
    def receive_stock(self, request: Request, pk: str) -> Response:
        """Book in goods that arrived."""
        return self._book(services.receive_stock)

    @extend_schema(responses=VariantWithProductSerializer)
    @action(detail=True, methods=["post"], url_path="adjust-stock")
    def adjust_stock(self, request: Request, pk: str) -> Response:
        """Book goods in or out, whatever orders do meanwhile."""
        return self._book(services.adjust_stock)

    @extend_schema(responses=VariantWithProductSerializer)
    @action(detail=True, methods=["post"], url_path="count-stock")
    def count_stock(self, request: Request, pk: str) -> Response:
        """Let the stock be what was counted on the shelf."""
        return self._book(services.count_stock)

    def _book(self, book: Callable[..., Variant]) -> Response:
        booked = self.input()
        return self.change_locked(
            lambda variant: book(variant_id=variant.pk, by=self.caller, **booked)
        )
