"""Products, a variant a row, by their SKU."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.db.models import Prefetch
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Lower, Trim
from django.utils.text import slugify
from rest_framework.exceptions import ValidationError

from catalog.api.serializers import ProductChangeInput, VariantInput
from catalog.models import Category, Product, Variant
from catalog.services import (
    NewVariant,
    add_variant,
    create_product,
    update_product,
    update_variant,
)
from core.api.problems import errors_of
from core.errors import FieldError, InvalidInput
from uploads.models import Upload, UploadRow
from uploads.states import Outcome

from .base import Batch, Cells, Changes, Column, Plan, checked, differs, shown
from .paging import by_key

# The column of each of a variant's fields.
_VARIANT = {
    "sku": "sku",
    "name": "variant_name",
    "price": "price",
    "stock": "stock",
    "weight": "weight",
    "low_stock_threshold": "low_stock_threshold",
}
_PRODUCT = ("slug", "name", "description", "category", "is_published")


class Products(Batch):
    """A row with a known SKU is about that variant and its product. With a new one it is a new
    variant: of the product with its slug, else of a new product.

    `stock` is what was counted.
    """

    columns = (
        Column(name="slug", example="chai"),
        Column(name="name", example="Chai"),
        Column(name="category"),
        Column(name="description", example="From Kericho."),
        Column(name="is_published", example=True),
        Column(name="sku", example="CHAI-250", required=True),
        Column(name="variant_name", example="Chai, 250 g"),
        Column(name="price", example="180.00"),
        Column(name="stock", example=60),
        Column(name="weight", example=250),
        Column(name="low_stock_threshold", example=10),
    )
    # Stock is locked meanwhile.
    written_at_once = 50

    def load(self) -> None:
        self._product_forms = {
            False: ProductChangeInput(),
            True: ProductChangeInput(partial=True),
        }
        self._variant_forms = {False: VariantInput(), True: VariantInput(partial=True)}
        variants = Variant.objects.kept().with_skus_in_any_case(self.cells("sku")).order_by("pk")
        products = Product.objects.filter(archived_at=None).order_by("pk")
        if self.writing:
            # In the order of their keys, as orders take them: no two wait for one another.
            variants = variants.select_for_update(no_key=True)
        self._variants = {each.sku.lower(): each for each in variants}
        slugs = self.cells("slug") | {
            slugify(name)[:120] for name in self.cells("name") if slugify(name)
        }
        self._products = {
            each.pk: each
            for each in [
                *products.filter(slug__in=slugs),
                *products.filter(pk__in={each.product_id for each in self._variants.values()}),
            ]
        }
        self._by_slug = {each.slug: each for each in self._products.values()}
        self._categories = {
            each.slug: each for each in Category.objects.filter(slug__in=self.cells("category"))
        }

    def keys(self, data: Mapping[str, str]) -> Iterable[str]:
        keys = [f"sku:{data.get('sku', '').strip().lower()}"]
        return [*keys, f"product:{data['slug'].strip()}"] if "slug" in data else keys

    def plan(self, item: Sequence[UploadRow]) -> Plan:
        [row] = item
        sku, slug = (row.data.get(name, "").strip() for name in ("sku", "slug"))
        variant = self._variants.get(sku.lower())
        product = self._products[variant.product_id] if variant else self._by_slug.get(slug)
        earlier = self.said_before(f"product:{slug}") if slug else None
        fields, cells = self._checked(row.data, product=product or earlier, variant=variant)
        self.refuse_repeated("sku", f"sku:{sku.lower()}", sku)
        if variant and product and slug and slug != product.slug:
            detail = f"{sku} belongs to the product {product.slug}."
            raise InvalidInput.at("slug", detail=detail, code="belongs_elsewhere")
        if earlier:
            _refuse_another_word(row, earlier)
            # Said already, so done already, or planned.
            fields = {name: value for name, value in fields.items() if name not in earlier.data}
        if variant and product:
            return self._plan_change(product, variant, fields, cells, self.keys(row.data))
        if product or earlier:
            return self._plan_variant(product, fields, cells, self.keys(row.data))
        return self._plan_product(fields, cells, self.keys(row.data))

    def _checked(
        self, data: Mapping[str, str], *, product: object, variant: Variant | None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the product's fields and the variant's, or all errors of both."""
        errors: list[FieldError] = []
        product_cells = {
            name: data[name] for name in _PRODUCT if name in data and name != "category"
        }
        variant_cells = {name: data[column] for name, column in _VARIANT.items() if column in data}
        fields: dict[str, Any] = {}
        cells: dict[str, Any] = {}
        try:
            fields = checked(self._product_forms[product is not None], product_cells)
        except ValidationError as error:
            errors += errors_of(error)
        try:
            cells = checked(self._variant_forms[variant is not None], variant_cells)
        except ValidationError as error:
            errors += [
                FieldError(
                    path=tuple(_VARIANT.get(str(part), part) for part in each.path),
                    code=each.code,
                    detail=each.detail,
                )
                for each in errors_of(error)
            ]
        if slug := data.get("category", "").strip():
            if slug in self._categories:
                fields["category"] = self._categories[slug]
            else:
                detail = f"There is no category {slug}. It is given by its slug."
                errors.append(FieldError(path=("category",), code="does_not_exist", detail=detail))
        if errors:
            raise InvalidInput("The row has errors.", errors=errors)
        return fields, cells

    def _plan_change(
        self,
        product: Product,
        variant: Variant,
        fields: dict[str, Any],
        cells: dict[str, Any],
        keys: Iterable[str],
    ) -> Plan:
        of_product = _changed(product, fields)
        of_variant = _changed(variant, cells)

        def write() -> str:
            if of_product:
                self._products[product.pk] = update_product(product_id=product.pk, **of_product)
            if of_variant:
                update_variant(variant_id=variant.pk, by=self.by, **of_variant)
            return str(of_variant.get("sku", variant.sku))

        changes = {name: _pair(product, name, value) for name, value in of_product.items()} | {
            _VARIANT[name]: _pair(variant, name, value) for name, value in of_variant.items()
        }
        return Plan(
            outcome=Outcome.CHANGED if changes else Outcome.UNCHANGED,
            subject=variant.sku,
            changes=changes,
            keys=list(keys),
            write=write if changes else None,
        )

    def _plan_variant(
        self,
        product: Product | None,
        fields: dict[str, Any],
        cells: dict[str, Any],
        keys: Iterable[str],
    ) -> Plan:
        """Plan a further variant of a product; None: of one that this file makes."""
        of_product = _changed(product, fields) if product else {}

        def write() -> str:
            if product is None:
                raise InvalidInput.at("slug", detail="Its product is gone.", code="does_not_exist")
            if of_product:
                self._products[product.pk] = update_product(product_id=product.pk, **of_product)
            made = add_variant(product_id=product.pk, variant=NewVariant(**cells), by=self.by)
            return made.sku

        changes = {
            name: _pair(product, name, value) for name, value in of_product.items() if product
        }
        return Plan(
            outcome=Outcome.CREATED,
            subject=str(cells["sku"]),
            changes=changes | _new(cells),
            keys=list(keys),
            write=write,
        )

    def _plan_product(
        self, fields: dict[str, Any], cells: dict[str, Any], keys: Iterable[str]
    ) -> Plan:
        named = "slug" in fields
        slug = fields.pop("slug", "")
        if not named:
            # Its own making of a free slug locks a name, of which one transaction cannot have
            # many thousands.
            made = slugify(str(fields["name"]))[:120]
            slug = made if made not in self._by_slug else ""

        def write() -> str:
            product = create_product(
                slug=slug, variants=[NewVariant(**cells)], by=self.by, **fields
            )
            self._by_slug[product.slug] = self._products[product.pk] = product
            return str(cells["sku"])

        return Plan(
            outcome=Outcome.CREATED,
            subject=str(cells["sku"]),
            changes={
                name: [None, shown(getattr(value, "slug", value))]
                for name, value in (({"slug": slug} if slug else {}) | fields).items()
            }
            | _new(cells),
            keys=list(keys),
            write=write,
        )

    @classmethod
    def lock_all(cls, upload: Upload) -> None:
        lock_variants(upload)

    @classmethod
    def export(cls) -> Iterator[Cells]:
        products = (
            Product.objects.filter(archived_at=None)
            .select_related("category")
            .prefetch_related(
                Prefetch("variants", Variant.objects.kept().order_by("pk"), to_attr="sold")
            )
        )
        for product in by_key(products):
            for variant in product.sold:  # type: ignore[attr-defined]  # prefetched
                yield {
                    "slug": product.slug,
                    "name": product.name,
                    "category": product.category.slug if product.category else "",
                    "description": product.description,
                    "is_published": product.is_published,
                    **{
                        column: getattr(variant, name)
                        for name, column in _VARIANT.items()
                        if name != "price"
                    },
                    "price": str(variant.price),
                }


def lock_variants(upload: Upload) -> None:
    """Lock all goods that an upload names, in the order of their keys."""
    named = (
        UploadRow.objects.filter(upload=upload)
        .annotate(sku=Lower(Trim(KeyTextTransform("sku", "data"))))
        .values("sku")
    )
    keys = (
        Variant.objects.kept()
        .annotate(lower_sku=Lower("sku"))
        .filter(lower_sku__in=named)
        .order_by("pk")
        .select_for_update(no_key=True)
        .values_list("pk", flat=True)
    )
    for _ in keys.iterator(chunk_size=1000):
        pass


def _refuse_another_word(row: UploadRow, earlier: UploadRow) -> None:
    errors = [
        FieldError(
            path=(name,),
            code="differs",
            detail=f"Row {earlier.number} says otherwise of the same product.",
        )
        for name in _PRODUCT
        if name in row.data and name in earlier.data and differs(earlier.data[name], row.data[name])
    ]
    if errors:
        raise InvalidInput("Two rows of one product differ.", errors=errors)


def _changed(instance: Product | Variant, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in values.items() if differs(getattr(instance, name), value)
    }


def _pair(instance: Product | Variant | None, name: str, value: Any) -> list[Any]:
    before = getattr(instance, name)
    return [shown(getattr(each, "slug", each)) for each in (before, value)]


def _new(cells: Mapping[str, Any]) -> Changes:
    return {_VARIANT[name]: [None, shown(value)] for name, value in cells.items()}
