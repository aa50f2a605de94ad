"""The catalogue in the admin. Prices and names are typed in; stock is booked in and out."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from core.admin import AsksPredicates, DukaModelAdmin, become

from . import services
from .models import Category, Product, ProductImage, Variant
from .permissions import can_manage_catalogue, can_see_catalogue
from .services import MAX_STOCK, NewVariant


class VariantForm(forms.ModelForm[Variant]):
    """A variant whose stock is changed by a difference, as orders may change it meanwhile."""

    booked = forms.IntegerField(
        label="Book in or out",
        required=False,
        min_value=-MAX_STOCK,
        max_value=MAX_STOCK,
        help_text="Pieces: 12 for goods received, -1 for a broken one.",
        widget=UnfoldAdminIntegerFieldWidget,
    )

    class Meta:
        model = Variant
        fields = ("sku", "name", "price", "weight")

    def clean_booked(self) -> int:
        booked = self.cleaned_data["booked"] or 0
        if self.instance.stock + booked < 0:
            raise forms.ValidationError(f"Only {self.instance.stock} on hand.")
        return booked

    def new_variant(self) -> NewVariant:
        data = self.cleaned_data
        return NewVariant(
            sku=data["sku"],
            name=data["name"],
            price=data["price"],
            weight=data["weight"],
            stock=data["booked"],
        )

    def save_through_services(self) -> Variant:
        """Apply what was typed in to the existing variant."""
        changes = {name: self.cleaned_data[name] for name in self.changed_data if name != "booked"}
        variant = services.update_variant(variant_id=self.instance.pk, **changes)
        if self.cleaned_data["booked"]:
            variant = services.adjust_stock(
                variant_id=variant.pk, quantity=self.cleaned_data["booked"]
            )
        return variant


class CatalogueInline(AsksPredicates, TabularInline):
    can_see = can_see_catalogue
    can_manage = can_manage_catalogue


class VariantInline(CatalogueInline):
    model = Variant
    form = VariantForm
    readonly_fields = ("stock",)
    extra = 0
    min_num = 1

    def get_min_num(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        return 0 if obj else 1


class ProductImageInline(CatalogueInline):
    model = ProductImage
    extra = 0


class CatalogueAdmin(DukaModelAdmin):
    can_see = can_see_catalogue
    can_manage = can_manage_catalogue


@admin.register(Category)
class CategoryAdmin(CatalogueAdmin):
    list_display = ("name", "slug", "parent")
    list_select_related = ("parent",)
    search_fields = ("name", "slug")
    autocomplete_fields = ("parent",)

    def save_model(self, request: HttpRequest, obj: Category, form: Any, change: bool) -> None:
        if change:
            become(obj, services.update_category(category_id=obj.pk, **self.changed(form)))
        else:
            become(obj, services.create_category(**form.cleaned_data))

    def delete_model(self, request: HttpRequest, obj: Category) -> None:
        services.delete_category(category_id=obj.pk)


@admin.register(Product)
class ProductAdmin(CatalogueAdmin):
    list_display = ("name", "category", "is_published", "updated_at")
    list_filter = ("is_published", "category")
    list_select_related = ("category",)
    search_fields = ("name", "slug", "variants__sku")
    autocomplete_fields = ("category",)
    inlines = (VariantInline, ProductImageInline)
    actions = ("publish", "hide")

    def save_model(self, request: HttpRequest, obj: Product, form: Any, change: bool) -> None:
        if change:
            become(obj, services.update_product(product_id=obj.pk, **self.changed(form)))
        else:
            become(obj, services.create_product(variants=[], **form.cleaned_data))

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        # For the images this is all; for the variants it sorts out what changed.
        formset.save(commit=formset.model is ProductImage)
        if formset.model is not Variant:
            return
        for each in formset.forms:
            if each in formset.deleted_forms:
                if each.instance.pk:
                    services.remove_variant(variant_id=each.instance.pk)
            elif each.instance.pk:
                if each.has_changed():
                    each.save_through_services()
            elif each.has_changed():
                services.add_variant(product_id=form.instance.pk, variant=each.new_variant())

    def delete_model(self, request: HttpRequest, obj: Product) -> None:
        services.remove_product(product_id=obj.pk)

    @admin.action(description="Show to shoppers", permissions=["change"])
    def publish(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        self._set_published(queryset, is_published=True)

    @admin.action(description="Hide from shoppers", permissions=["change"])
    def hide(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        self._set_published(queryset, is_published=False)

    def _set_published(self, queryset: QuerySet[Product], *, is_published: bool) -> None:
        for product in queryset:
            services.update_product(product_id=product.pk, is_published=is_published)


@admin.register(Variant)
class VariantAdmin(CatalogueAdmin):
    """Stock and prices at a glance; variants are added on their product's page."""

    form = VariantForm
    fields = ("product", "sku", "name", "price", "weight", "stock", "booked")
    readonly_fields = ("product", "stock")
    list_display = ("sku", "display_name", "price", "stock")
    list_filter = ("product__is_published", "product__category")
    list_select_related = ("product",)
    search_fields = ("sku", "name", "product__name")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Variant, form: Any, change: bool) -> None:
        become(obj, form.save_through_services())

    def delete_model(self, request: HttpRequest, obj: Variant) -> None:
        services.remove_variant(variant_id=obj.pk)
