"""Filters of the catalogue's lists."""

from typing import Any, ClassVar

import django_filters

from catalog.models import Category, Product, Variant
from catalog.permissions import can_see_catalogue
from catalog.querysets import ProductQuerySet, VariantQuerySet
from core.api.filters import IntegerFilter, MoneyFilter, YesNoFilter


class CategoryFilter(django_filters.FilterSet):
    parent = django_filters.CharFilter("parent__slug", help_text="Slug of the category above.")

    class Meta:
        model = Category
        fields = ()


class ForSaleFilter(django_filters.FilterSet):
    """Leaves out what was removed, unless staff ask for it.

    Filters named in `for_staff` are unknown to everybody else.
    """

    for_staff: ClassVar[tuple[str, ...]] = ("archived",)

    archived = YesNoFilter(help_text="Staff only. Those that were removed instead; default: false.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.request is not None and not can_see_catalogue(self.request.user):
            for name in self.for_staff:
                del self.filters[name]

    def filter_queryset(self, queryset: Any) -> Any:
        archived = self.form.cleaned_data.pop("archived", None)
        queryset = super().filter_queryset(queryset)
        return queryset.archived() if archived else queryset.kept()


class ProductFilter(ForSaleFilter):
    for_staff = (*ForSaleFilter.for_staff, "is_published")

    category = django_filters.CharFilter(
        method="in_category", help_text="Slug of its category, or of one above that."
    )
    price_min = MoneyFilter(help_text="With a variant that costs at least this.")
    price_max = MoneyFilter(help_text="With a variant that costs no more than this.")
    in_stock = YesNoFilter(method="by_stock", help_text="With a variant that is on hand, or none.")
    is_published = YesNoFilter(help_text="Staff only. Shown to shoppers, or hidden.")
    slug = django_filters.CharFilter(help_text="Its slug, exactly.")

    class Meta:
        model = Product
        fields = ()

    def filter_queryset(self, queryset: ProductQuerySet) -> ProductQuerySet:
        # Of one variant, where both are given.
        lowest, highest = (self.form.cleaned_data.pop(f"price_{end}") for end in ("min", "max"))
        found: ProductQuerySet = super().filter_queryset(queryset)
        if lowest is None and highest is None:
            return found
        return found.priced(lowest=lowest, highest=highest)

    def in_category(self, queryset: ProductQuerySet, name: str, slug: str) -> ProductQuerySet:
        return queryset.in_category(slug)

    def by_stock(self, queryset: ProductQuerySet, name: str, value: bool) -> ProductQuerySet:
        return queryset.in_stock() if value else queryset.out_of_stock()


class VariantFilter(ForSaleFilter):
    for_staff = (*ForSaleFilter.for_staff, "low_stock")

    product = IntegerFilter("product_id", help_text="Id of its product.")
    sku = django_filters.CharFilter(help_text="Its SKU, exactly.")
    stock_below = IntegerFilter("stock", "lt", help_text="Fewer pieces on hand than this.")
    low_stock = YesNoFilter(
        method="low_in_stock", help_text="On hand no more than its `low_stock_threshold`."
    )

    class Meta:
        model = Variant
        fields = ()

    def low_in_stock(self, queryset: VariantQuerySet, name: str, value: bool) -> VariantQuerySet:
        return queryset.low_in_stock() if value else queryset.not_low_in_stock()
