"""Filters of the catalogue's lists."""

import django_filters

from catalog.models import Category, Product, Variant
from core.api.filters import IntegerFilter, YesNoFilter


class CategoryFilter(django_filters.FilterSet):
    parent = django_filters.CharFilter("parent__slug", help_text="Slug of the category above.")

    class Meta:
        model = Category
        fields = ()


class ProductFilter(django_filters.FilterSet):
    category = django_filters.CharFilter("category__slug", help_text="Slug of its category.")
    is_published = YesNoFilter(help_text="Shown to shoppers, or hidden.")
    slug = django_filters.CharFilter(help_text="Its slug, exactly.")

    class Meta:
        model = Product
        fields = ()


class VariantFilter(django_filters.FilterSet):
    product = IntegerFilter("product_id", help_text="Id of its product.")
    sku = django_filters.CharFilter(help_text="Its SKU, exactly.")
    stock_below = IntegerFilter("stock", "lt", help_text="Fewer pieces on hand than this.")

    class Meta:
        model = Variant
        fields = ()
