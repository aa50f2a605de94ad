"""The catalogue in the admin. Prices and names are typed in; stock is booked in and out."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.views.main import ORDER_VAR
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminImageFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from core.admin import AsksPredicates, DukaModelAdmin, ReadOnly, become, named, tell
from core.api.filters import LONGEST_SEARCH
from core.errors import DomainError, InvalidInput

from . import services
from .models import Category, Product, ProductImage, StockMovement, Variant
from .permissions import can_manage_catalogue, can_see_catalogue
from .querysets import VariantQuerySet
from .services import MAX_IMAGES, MAX_STOCK, NewVariant, Picture
from .states import MovementKind

# A variant's own fields.
_TYPED = ("sku", "name", "price", "weight", "low_stock_threshold")
# What may be booked, the verb for it, and what the verb calls the quantity.
_BOOKINGS: dict[MovementKind, tuple[Callable[..., Variant], str]] = {
    MovementKind.RECEIVED: (services.receive_stock, "quantity"),
    MovementKind.ADJUSTED: (services.adjust_stock, "quantity"),
    MovementKind.COUNTED: (services.count_stock, "counted"),
}
_COLOURS = {
    MovementKind.RECEIVED: "success",
    MovementKind.SOLD: "info",
    MovementKind.RELEASED: "default",
    MovementKind.ADJUSTED: "warning",
    MovementKind.RETURNED: "default",
    MovementKind.COUNTED: "warning",
}


class UniqueAmongKept:
    """For a form with a field that must be unique among what was not removed."""

    def _get_validation_exclusions(self) -> set[str]:
        # Or the condition of the constraint could not be held, nor so the constraint.
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]  # of the form that this is mixed into
        return excluded - {"archived_at"}


class VariantForm(UniqueAmongKept, forms.ModelForm[Variant]):
    """A variant whose stock is booked in and out, as orders may change it meanwhile."""

    kind = forms.ChoiceField(
        label="Booking",
        choices=[(kind, kind.label) for kind in _BOOKINGS],
        initial=MovementKind.RECEIVED,
        required=False,
        widget=UnfoldAdminSelectWidget({"style": "min-width: 8rem"}),
        help_text="Received adds pieces; adjusted adds them or, negative, takes them out;"
        " counted says how many there are.",
    )
    quantity = forms.IntegerField(
        label="Pieces",
        required=False,
        min_value=-MAX_STOCK,
        max_value=MAX_STOCK,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Left empty, nothing is booked.",
    )
    reason = forms.CharField(
        required=False,
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        help_text="Kept in the ledger.",
    )

    class Meta:
        model = Variant
        fields = _TYPED

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        data["kind"] = data.get("kind") or MovementKind.RECEIVED
        quantity = data.get("quantity")
        if quantity is None:
            return data
        if data["kind"] == MovementKind.RECEIVED and quantity < 1:
            self.add_error("quantity", "Receive at least one.")
        elif data["kind"] == MovementKind.COUNTED and quantity < 0:
            self.add_error("quantity", "There cannot be less than nothing.")
        elif data["kind"] == MovementKind.ADJUSTED and self.instance.stock + quantity < 0:
            self.add_error("quantity", f"Only {self.instance.stock} on hand.")
        return data

    def new_variant(self) -> NewVariant:
        data = self.cleaned_data
        return NewVariant(**{name: data[name] for name in _TYPED}, stock=data["quantity"] or 0)

    def save_through_services(self, *, by: Any) -> Variant:
        """Apply what was typed in to the existing variant."""
        data = self.cleaned_data
        changes = {name: data[name] for name in self.changed_data if name in _TYPED}
        key = self.instance.pk
        variant = services.update_variant(variant_id=key, by=by, **changes)
        if data["quantity"] is not None:
            book, called = _BOOKINGS[MovementKind(data["kind"])]
            variant = book(
                variant_id=key, **{called: data["quantity"]}, by=by, reason=data["reason"]
            )
        return variant


class PictureWidget(UnfoldAdminImageFieldWidget):
    """Asks for a new picture; of one that is there, shows it."""

    shown: ProductImage | None = None

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> Any:
        if self.shown is None:
            return super().render(name, value, attrs, renderer)
        smallest = self.shown.sizes[0][1] if self.shown.sizes else self.shown.image.url
        return format_html(
            '<a href="{}"><img src="{}" alt="" style="height: 5rem"></a>',
            self.shown.image.url,
            smallest,
        )


class PictureField(forms.FileField):
    widget = PictureWidget

    def clean(self, data: Any, initial: Any = None) -> Picture | None:
        file = super().clean(data, initial)
        if not file:
            return None
        try:
            return services.read_picture(file)
        except InvalidInput as error:
            raise forms.ValidationError(error.detail) from None


class ProductImageForm(forms.ModelForm[ProductImage]):
    upload = PictureField(label="Image", help_text="JPEG, PNG, WebP or GIF.")
    position = forms.IntegerField(
        required=False, min_value=0, max_value=MAX_IMAGES, widget=UnfoldAdminIntegerFieldWidget
    )

    class Meta:
        model = ProductImage
        fields = ("alt", "position")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["upload"].disabled = True
            self.fields["upload"].required = False
            self.fields["upload"].widget.shown = self.instance
        else:
            # As the last, unless they say otherwise.
            self.initial["position"] = None


class CatalogueInline(AsksPredicates, TabularInline):
    can_see = can_see_catalogue
    can_manage = can_manage_catalogue


class VariantInline(CatalogueInline):
    model = Variant
    form = VariantForm
    fields = (
        *("sku", "name", "price", "weight", "stock", "low_stock_threshold"),
        *("kind", "quantity", "reason"),
    )
    readonly_fields = ("stock",)
    extra = 0
    min_num = 1

    def get_min_num(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        return 0 if obj else 1

    def get_queryset(self, request: HttpRequest) -> QuerySet[Variant]:
        variants: VariantQuerySet = super().get_queryset(request)
        return variants.of_the_product_as_it_stands()


class ProductImageInline(CatalogueInline):
    model = ProductImage
    form = ProductImageForm
    fields = ("upload", "alt", "position")
    ordering_field = "position"
    hide_ordering_field = True
    extra = 0


class MovementInline(ReadOnly, CatalogueInline):
    """The newest movements of the variant whose page it is."""

    model = StockMovement
    verbose_name_plural = "newest stock movements"
    hide_title = True
    fields = ("at", "kind", "quantity", "on_hand", "order", "reason", "who")
    readonly_fields = ("who",)
    extra = 0
    who = named("by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[StockMovement]:
        match = request.resolver_match
        newest = StockMovement.objects.filter(
            variant=match.kwargs.get("object_id") if match else None
        )[:20]
        rows: QuerySet[StockMovement] = super().get_queryset(request)
        return rows.filter(pk__in=newest.values("pk")).select_related("by")


class CatalogueAdmin(DukaModelAdmin):
    can_see = can_see_catalogue
    can_manage = can_manage_catalogue


class RemovingAdmin(CatalogueAdmin):
    """For what is deleted, or archived once it was ordered; says which before and after."""

    def remove(self, row: Any) -> Model | None:
        """Call the service; it returns what was archived."""
        raise NotImplementedError  # each page has its own

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        listed: list[Any] = []
        counted: Counter[str] = Counter()
        lacking: set[str] = set()
        for row in objs:
            with_it, count, needed, protected = super().get_deleted_objects([row], request)
            lacking |= needed
            if protected:
                listed.append(f"{row}: is archived, as it has been ordered")
            else:
                listed += with_it
                counted.update(count)
        return listed, counted, lacking, []

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        archived = self.remove(obj) is not None
        what = "is archived, as it has been ordered" if archived else "is deleted"
        messages.success(request, f"{obj}: {what}.")

    def response_delete(
        self, request: HttpRequest, obj_display: str, obj_id: Any
    ) -> HttpResponseRedirect:
        # What became of it is told already.
        page = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
        return HttpResponseRedirect(reverse(page))

    @admin.action(description="Remove", permissions=["delete"])
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        if not request.POST.get("post"):
            return delete_selected(self, request, queryset)
        self.log_deletions(request, queryset)
        self.delete_queryset(request, queryset)
        return None


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


class ProductForm(UniqueAmongKept, forms.ModelForm[Product]):
    class Meta:
        model = Product
        fields = ("name", "slug", "description", "category", "is_published")


class Archived(admin.SimpleListFilter):
    title = "removed"
    parameter_name = "archived"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("true", "Archived")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        kept, *others = super().choices(changelist)
        yield {**kept, "display": "Kept"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.archived() if self.value() == "true" else queryset.kept()


@admin.register(Product)
class ProductAdmin(RemovingAdmin):
    form = ProductForm
    list_display = ("name", "category", "price", "is_published", "updated_at")
    list_filter = ("is_published", Archived, "category")
    list_select_related = ("category",)
    # Its queryset searches by itself.
    search_fields = ("name",)
    search_help_text = "Name, SKU, category or description"
    autocomplete_fields = ("category",)
    inlines = (VariantInline, ProductImageInline)
    actions = ("publish", "hide", "restore", "delete_selected")

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        if not search_term.strip():
            return queryset, False
        found = queryset.search(search_term[:LONGEST_SEARCH])
        if "relevance" in found.query.annotations and ORDER_VAR not in request.GET:
            found = found.order_by("-relevance", "-pk")
        return found, False

    def has_change_permission(self, request: HttpRequest, obj: Product | None = None) -> bool:
        return self._is_kept(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Product | None = None) -> bool:
        return self._is_kept(obj) and super().has_delete_permission(request, obj)

    def _is_kept(self, product: Product | None) -> bool:
        return product is None or product.archived_at is None

    def save_model(self, request: HttpRequest, obj: Product, form: Any, change: bool) -> None:
        if change:
            become(obj, services.update_product(product_id=obj.pk, **self.changed(form)))
        else:
            become(obj, services.create_product(variants=[], **form.cleaned_data))

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        # Sorts out what changed, for the admin's own history.
        formset.save(commit=False)
        product = form.instance.pk
        if formset.model is Variant:
            self._save_variants(product, formset, by=request.user)
        else:
            self._save_images(product, formset)

    def _save_variants(self, product: int, formset: Any, *, by: Any) -> None:
        for each in formset.forms:
            if each in formset.deleted_forms:
                if each.instance.pk:
                    services.remove_variant(variant_id=each.instance.pk)
            elif each.instance.pk:
                if each.has_changed():
                    each.save_through_services(by=by)
            elif each.has_changed():
                services.add_variant(product_id=product, variant=each.new_variant(), by=by)

    def _save_images(self, product: int, formset: Any) -> None:
        for each in formset.deleted_forms:
            if each.instance.pk:
                services.remove_image(image_id=each.instance.pk)
        # The first place first: whoever is put there moves the others on.
        kept = [each for each in formset.forms if each not in formset.deleted_forms]
        for each in sorted(kept, key=lambda each: each.cleaned_data.get("position") or 0):
            data = each.cleaned_data
            if each.instance.pk:
                changes = {name: data[name] for name in each.changed_data}
                services.update_image(image_id=each.instance.pk, **changes)
            elif each.has_changed():
                services.add_image(
                    product_id=product,
                    picture=data["upload"],
                    alt=data["alt"],
                    position=data["position"],
                )

    def remove(self, row: Product) -> Product | None:
        return services.remove_product(product_id=row.pk)

    @admin.action(description="Show to shoppers", permissions=["change"])
    def publish(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        for product in queryset:
            services.show_product(product_id=product.pk)

    @admin.action(description="Hide from shoppers", permissions=["change"])
    def hide(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        for product in queryset:
            services.hide_product(product_id=product.pk)

    @admin.action(description="Restore the archived", permissions=["change"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        for product in queryset:
            try:
                services.restore_product(product_id=product.pk)
            except DomainError as error:
                tell(request, error)
            else:
                messages.success(request, f"{product}: is back.")


class LowInStock(admin.SimpleListFilter):
    title = "stock"
    parameter_name = "low_stock"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("true", "Low"), ("false", "Enough")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "true":
                return queryset.low_in_stock()
            case "false":
                return queryset.not_low_in_stock()
        return queryset


@admin.register(Variant)
class VariantAdmin(RemovingAdmin):
    """Stock and prices at a glance; variants are added on their product's page."""

    form = VariantForm
    fieldsets = (
        (None, {"fields": ("product", "sku", "name", ("price", "weight"))}),
        ("Stock", {"fields": (("stock", "low_stock_threshold"), ("kind", "quantity"), "reason")}),
    )
    readonly_fields = ("product", "stock")
    inlines = (MovementInline,)
    list_display = ("sku", "display_name", "price", "on_hand", "low_stock_threshold")
    list_filter = (LowInStock, "product__is_published", "product__category")
    list_select_related = ("product",)
    search_fields = ("sku", "name", "product__name")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Variant]:
        variants: QuerySet[Variant] = super().get_queryset(request)
        return variants.filter(archived_at=None)

    @display(
        description="on hand",
        ordering="stock",
        label={"none": "danger", "low": "warning", "enough": "success"},
    )
    def on_hand(self, variant: Variant) -> tuple[str, str]:
        if not variant.stock:
            return "none", "0"
        return "low" if variant.is_low else "enough", str(variant.stock)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Variant, form: Any, change: bool) -> None:
        become(obj, form.save_through_services(by=request.user))

    def remove(self, row: Variant) -> Variant | None:
        return services.remove_variant(variant_id=row.pk)


@admin.register(StockMovement)
class StockMovementAdmin(ReadOnly, AsksPredicates, ModelAdmin):
    can_see = can_see_catalogue
    can_manage = can_manage_catalogue
    list_display = ("at", "sku", "what", "change", "on_hand", "order", "reason", "by")
    list_filter = ("kind", ("at", RangeDateFilter))
    list_filter_submit = True
    list_select_related = ("variant__product", "by")
    search_fields = ("variant__sku", "order__exact")
    search_help_text = "SKU or number of an order"
    show_full_result_count = False

    @display(description="SKU")
    def sku(self, movement: StockMovement) -> str:
        return movement.variant.sku

    @display(description="kind", label=_COLOURS)
    def what(self, movement: StockMovement) -> tuple[str, str]:
        return movement.kind, movement.get_kind_display()

    @display(description="pieces", ordering="quantity")
    def change(self, movement: StockMovement) -> str:
        return f"{movement.quantity:+}"
