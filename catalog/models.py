"""What is sold, and how much of it is there."""

from decimal import Decimal

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex, GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now

from .querysets import CategoryQuerySet, ProductQuerySet, StockMovementQuerySet, VariantQuerySet
from .states import MovementKind


class Category(models.Model):
    """A shelf of the shop; shelves stand in a tree."""

    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=140, unique=True, blank=True)
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="children"
    )

    objects = CategoryQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        verbose_name_plural = "categories"
        constraints = [
            models.CheckConstraint(
                condition=~Q(parent=F("id")),
                name="category_is_not_its_own_parent",
                violation_error_message="A category cannot stand in itself.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Product(models.Model):
    """Something the shop sells, in one or more variants."""

    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=220, blank=True, db_index=False)
    description = models.TextField(blank=True, max_length=20_000)
    category = models.ForeignKey(
        Category, null=True, blank=True, on_delete=models.PROTECT, related_name="products"
    )
    is_published = models.BooleanField("published", default=True, db_index=True)
    # That of its cheapest variant, to order lists by: written by the database (migration 0003),
    # whatever is saved here. A product left without variants keeps the last one.
    price = models.DecimalField(max_digits=12, decimal_places=2, default=0, editable=False)
    # Removed by the shop, kept for the orders that name it.
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ProductQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        permissions = [("manage_catalogue", "Can manage the catalogue")]
        constraints = [
            models.UniqueConstraint(
                fields=["slug"],
                # What was removed gives its slug free.
                condition=Q(archived_at=None),
                name="product_slug_is_unique",
                violation_error_message="Something else has this slug.",
            )
        ]
        indexes = [
            models.Index(fields=["name", "id"], name="product_by_name"),
            models.Index(fields=["price", "id"], name="product_by_price"),
            models.Index(fields=["created_at", "id"], name="product_by_time"),
            models.Index(
                fields=["slug"], opclasses=["varchar_pattern_ops"], name="product_by_slug"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SearchEntry(models.Model):
    """By what words a product is found; written by the database alone (migration 0003).

    It follows the product, its variants and its category, whoever changes them.
    """

    # A foreign key of our own cascades in the database: while the product is being deleted, its
    # variants' triggers write here still.
    product = models.OneToOneField(
        Product,
        primary_key=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="search_entry",
    )
    # Names and SKUs weigh A, the category's name B, the description C.
    vector = SearchVectorField()
    # Those of A and B again, each between spaces: here typing errors are looked for.
    words = models.TextField()

    class Meta:
        indexes = [
            # Kept in order at once: they are read much more often than written.
            GinIndex(fields=["vector"], name="search_entry_by_word", fastupdate=False),
            GinIndex(
                fields=["words"],
                opclasses=["gin_trgm_ops"],
                name="search_entry_by_trigram",
                fastupdate=False,
            ),
        ]

    def __str__(self) -> str:
        return self.words.strip()


class Variant(models.Model):
    """What is put in a cart: one size, colour or pack of a product, with its price and stock."""

    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="variants")
    sku = models.CharField("SKU", max_length=64)
    name = models.CharField(
        max_length=200, blank=True, help_text="Left empty, it is called like its product."
    )
    price = models.DecimalField(
        max_digits=12, decimal_places=2, validators=[MinValueValidator(Decimal(0))]
    )
    stock = models.PositiveIntegerField(default=0, help_text="Pieces on hand.")
    weight = models.PositiveIntegerField(default=0, help_text="Grams.")
    low_stock_threshold = models.PositiveIntegerField(
        "low at", null=True, blank=True, help_text="Listed as low from so many pieces down."
    )
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = VariantQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                Lower("sku"),
                # What was removed gives its SKU free.
                condition=Q(archived_at=None),
                name="variant_sku_is_unique",
                violation_error_message="Another variant has this SKU.",
            ),
            models.CheckConstraint(
                condition=Q(stock__gte=0),
                name="variant_stock_is_not_negative",
                violation_error_message="There is less in stock than that.",
            ),
            models.CheckConstraint(
                condition=Q(price__gte=0),
                name="variant_price_is_not_negative",
                violation_error_message="A price cannot be negative.",
            ),
        ]
        indexes = [
            models.Index(fields=["sku"], name="variant_by_sku"),
            # Few are low at any time, so this stays small.
            models.Index(
                fields=["sku", "id"],
                condition=Q(stock__lte=F("low_stock_threshold"), archived_at=None),
                name="variant_low_in_stock",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.display_name} ({self.sku})"

    @property
    def display_name(self) -> str:
        """What a customer reads; needs `product` where the variant has no name of its own."""
        return self.name or str(self.product)

    @property
    def is_low(self) -> bool:
        """Whether it is time to buy more of it."""
        return self.low_stock_threshold is not None and self.stock <= self.low_stock_threshold


class StockMovement(models.Model):
    """So many pieces that came or went: when, why and by whom. The sum of all is what is on hand.

    Append-only: the database refuses to change a row or delete it, unless with its variant.
    """

    # A foreign key of our own cascades in the database (migration 0002), which refuses a deletion
    # from outside.
    variant = models.ForeignKey(
        Variant,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,  # stock_movement_by_variant
        related_name="movements",
    )
    kind = models.CharField(max_length=16, choices=MovementKind.choices)
    quantity = models.IntegerField(help_text="Pieces that came; negative: went.")
    on_hand = models.PositiveIntegerField(help_text="Pieces there were afterwards.")
    order = models.CharField(max_length=20, blank=True, help_text="Number of the order it is for.")
    reason = models.CharField(max_length=500, blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(db_default=Now())

    objects = StockMovementQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=~Q(quantity=0), name="stock_movement_moves_something"),
            models.CheckConstraint(
                condition=Q(kind__in=MovementKind.values), name="stock_movement_kind_is_known"
            ),
        ]
        indexes = [
            models.Index(fields=["variant", "-id"], name="stock_movement_by_variant"),
            models.Index(fields=["kind", "-id"], name="stock_movement_by_kind"),
            models.Index(
                fields=["order", "-id"], condition=~Q(order=""), name="stock_movement_by_order"
            ),
            # Written in the order of time, so this costs next to nothing.
            BrinIndex(fields=["at"], name="stock_movement_by_time", autosummarize=True),
        ]

    def __str__(self) -> str:
        return f"{self.quantity:+} {self.kind}"


def scaled_name(name: str, width: int) -> str:
    """Return the name of the file that has a picture in another width."""
    return f"{name.removesuffix('.webp')}-{width}.webp"


class ProductImage(models.Model):
    """A picture of a product, in one or more widths; `services.images` writes the files."""

    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="images")
    image = models.ImageField(upload_to="products/%Y/%m/")
    alt = models.CharField(
        "alternative text", max_length=200, blank=True, help_text="For those who cannot see it."
    )
    position = models.PositiveSmallIntegerField(default=0)
    # Of what was uploaded before they were kept, nothing is known.
    width = models.PositiveIntegerField(null=True, editable=False)
    height = models.PositiveIntegerField(null=True, editable=False)
    # The narrower widths that there are files of.
    widths = ArrayField(models.PositiveIntegerField(), default=list, editable=False)

    class Meta:
        ordering = ["position", "pk"]

    def __str__(self) -> str:
        return self.alt or str(self.image)

    @property
    def files(self) -> list[str]:
        """Names of all its files."""
        name = str(self.image)
        return [name, *(scaled_name(name, width) for width in self.widths)]

    @property
    def sizes(self) -> list[tuple[int, str]]:
        """Each narrower width and its address; no storage is asked."""
        name = str(self.image)
        return [(width, self.image.storage.url(scaled_name(name, width))) for width in self.widths]
