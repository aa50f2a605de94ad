"""GraphQL of the catalogue."""

from collections.abc import Callable
from typing import Any

import graphene
from django.conf import settings
from graphql import GraphQLResolveInfo

from accounts.models import User
from catalog import services
from catalog.api.views import CategoryViewSet, ProductViewSet, VariantViewSet
from catalog.models import Category, Product, ProductImage, Variant
from catalog.permissions import can_see_catalogue
from core.graphql.lists import ListField
from core.graphql.mutations import Verb
from core.graphql.relations import ModelType, Node, Related, selection_of


class CategoryType(ModelType):
    """A shelf of the shop; shelves stand in a tree."""

    view = CategoryViewSet

    class Meta:
        name = "Category"
        model = Category
        interfaces = (Node,)
        fields = ("id", "slug", "name")

    parent = Related(lambda: CategoryType, of="parent", description="The shelf above, if any.")
    children = Related(
        lambda: CategoryType, of="children", many=True, description="The shelves right below."
    )


class ImageSizeType(graphene.ObjectType):
    """A picture in one width."""

    class Meta:
        name = "ImageSize"

    width = graphene.NonNull(graphene.Int, description="Pixels.")
    url = graphene.NonNull(graphene.String, description="Where it is.")


class ImageType(ModelType):
    """A picture of a product."""

    class Meta:
        name = "Image"
        model = ProductImage
        fields = ("width", "height")

    alt = graphene.NonNull(graphene.String, description="For those who cannot see it.")
    url = graphene.NonNull(graphene.String, description="Where it is, in full width.")
    sizes = graphene.NonNull(
        graphene.List(graphene.NonNull(ImageSizeType)), description="Narrower ones."
    )

    def resolve_url(self: ProductImage, info: GraphQLResolveInfo) -> str:
        return str(info.context.build_absolute_uri(self.image.url))

    def resolve_sizes(self: ProductImage, info: GraphQLResolveInfo) -> list[dict[str, Any]]:
        return [
            {"width": width, "url": info.context.build_absolute_uri(url)}
            for width, url in self.sizes
        ]


class VariantType(ModelType):
    """What is put in a cart: one size, colour or pack of a product."""

    view = VariantViewSet
    needs = {"name": ("product",)}

    class Meta:
        name = "Variant"
        model = Variant
        interfaces = (Node,)
        fields = ("id", "sku", "price", "stock", "weight", "archived_at")

    name = graphene.NonNull(graphene.String, description="Its own name, or its product's.")
    currency = graphene.NonNull(graphene.String, description="The shop's, ISO 4217.")
    low_stock_threshold = graphene.Int(
        description="Listed as low from so many pieces down. Null to all but staff."
    )
    product = Related(lambda: ProductType, of="product", description="What it is a variant of.")

    def resolve_name(self: Variant, info: GraphQLResolveInfo) -> str:
        return self.display_name

    def resolve_currency(self: Variant, info: GraphQLResolveInfo) -> str:
        return str(settings.SHOP_CURRENCY)

    def resolve_low_stock_threshold(self: Variant, info: GraphQLResolveInfo) -> int | None:
        return self.low_stock_threshold if can_see_catalogue(info.context.user) else None


class ProductType(ModelType):
    """Something the shop sells, in one or more variants."""

    view = ProductViewSet
    heavy = ("description",)

    class Meta:
        name = "Product"
        model = Product
        interfaces = (Node,)
        fields = (
            "id",
            "slug",
            "name",
            "description",
            "is_published",
            "created_at",
            "updated_at",
            "archived_at",
        )

    price = graphene.NonNull(graphene.Decimal, description="Of its cheapest variant.")
    category = Related(CategoryType, of="category", description="Where it stands, if anywhere.")
    variants = Related(
        VariantType,
        of="variants",
        many=True,
        rows=Variant.objects.of_the_product_as_it_stands,
        description="What of it can be bought.",
    )
    images = Related(
        ImageType, of="images", many=True, description="Its pictures, the first one first."
    )


class CatalogueQuery(graphene.ObjectType):
    products = ListField(
        ProductType,
        view=ProductViewSet,
        description="Products: those for sale; to staff the hidden ones too.",
    )
    product = graphene.Field(
        ProductType,
        id=graphene.ID(description="Its `id`."),
        slug=graphene.String(description="Its `slug`, of one that was not removed."),
        description="One product, by `id` or `slug`; null: there is none to be seen.",
    )
    categories = graphene.NonNull(
        graphene.List(graphene.NonNull(CategoryType)),
        description="The shelves on top; ask for their `children`.",
    )
    category = graphene.Field(
        CategoryType,
        slug=graphene.String(required=True, description="Its `slug`."),
        description="One shelf; null: there is none.",
    )

    def resolve_product(self, info: GraphQLResolveInfo, **by: str) -> Any:
        # What was removed has given its slug free.
        return ProductType.named(info, by, archived_at=None)

    def resolve_categories(self, info: GraphQLResolveInfo) -> Any:
        rows = CategoryType.visible(info).filter(parent=None)
        return CategoryType.fetch(rows, selection_of(info))

    def resolve_category(self, info: GraphQLResolveInfo, slug: str) -> Any:
        return CategoryType.found(info, selection_of(info), slug=slug)


def _product_verb(
    action: str, verb: Callable[..., Product | None], description: str, *, partial: bool = False
) -> Verb:
    def change(*, key: int, by: User, **data: Any) -> int:
        verb(product_id=key, **data)
        return key

    return Verb(
        change,
        view=ProductViewSet,
        action=action,
        kind=ProductType,
        of=ProductType,
        partial=partial,
        description=description,
    )


def _stock_verb(action: str, verb: Callable[..., Variant], description: str) -> Verb:
    def book(*, key: int, by: User, **data: Any) -> int:
        return verb(variant_id=key, by=by, **data).pk

    return Verb(
        book,
        view=VariantViewSet,
        action=action,
        kind=VariantType,
        of=VariantType,
        description=description,
    )


class CatalogueMutation(graphene.ObjectType):
    create_product = Verb(
        lambda **data: services.create_product(**data).pk,
        view=ProductViewSet,
        action="create",
        kind=ProductType,
        description="Create a product: with `variants`, or simple with `sku`, `price`, `stock`.",
    )
    update_product = _product_verb(
        "partial_update",
        services.update_product,
        "Change some fields of a product; what is left out stays.",
        partial=True,
    )
    hide_product = _product_verb("hide", services.hide_product, "Hide a product from shoppers.")
    show_product = _product_verb("show", services.show_product, "Show a product to shoppers.")
    remove_product = _product_verb(
        "destroy",
        services.remove_product,
        "Remove a product: delete it, or archive it once it was ordered.",
    )
    restore_product = _product_verb(
        "restore",
        services.restore_product,
        "Bring back a product that was archived, with its variants.",
    )
    receive_stock = _stock_verb(
        "receive_stock", services.receive_stock, "Book in goods that arrived."
    )
    adjust_stock = _stock_verb(
        "adjust_stock",
        services.adjust_stock,
        "Book goods in or out, whatever orders do meanwhile.",
    )
    count_stock = _stock_verb(
        "count_stock", services.count_stock, "Let the stock be what was counted on the shelf."
    )
