"""Bookings in the admin. A status is moved by the verbs alone, never typed in."""

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.models import User
from core.admin import DukaModelAdmin, MovingAdmin, ReadOnly, Verb, become

from . import services
from .models import (
    BookedService,
    Booking,
    BookingChange,
    ClosedDay,
    OpeningHours,
    Resource,
    Service,
)
from .permissions import (
    can_handle_bookings,
    can_manage_services,
    can_see_bookings,
    can_see_services,
)
from .states import BookingStatus

_COLOURS = {
    BookingStatus.PENDING: "warning",
    BookingStatus.CONFIRMED: "info",
    BookingStatus.CANCELLED: "danger",
    BookingStatus.DONE: "success",
    BookingStatus.NO_SHOW: "danger",
}


class ServiceForm(forms.ModelForm[Service]):
    class Meta:
        model = Service
        fields = ("name", "duration", "fee", "active")


class NewServiceForm(ServiceForm):
    id = forms.IntegerField(
        min_value=1, required=False, help_text="What it is called elsewhere. Empty: one is made."
    )

    class Meta(ServiceForm.Meta):
        fields = ("id", *ServiceForm.Meta.fields)  # type: ignore[assignment]  # one more


@admin.register(Service)
class ServiceAdmin(DukaModelAdmin):
    can_see = can_see_services
    can_manage = can_manage_services
    list_display = ("name", "id", "duration", "fee", "active")
    list_filter = ("active",)
    search_fields = ("name",)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        return super().get_form(
            request, obj, change, **{"form": ServiceForm if obj else NewServiceForm, **kwargs}
        )

    def save_model(self, request: HttpRequest, obj: Service, form: Any, change: bool) -> None:
        if change:
            become(obj, services.update_service(service_id=obj.pk, **self.changed(form)))
        else:
            become(obj, services.create_service(**form.cleaned_data))

    def delete_model(self, request: HttpRequest, obj: Service) -> None:
        services.delete_service(service_id=obj.pk)


class HoursInline(TabularInline):
    model = OpeningHours
    hide_title = True
    extra = 0

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_see_services(request.user)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_manage_services(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_manage_services(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_manage_services(request.user)


@admin.register(Resource)
class ResourceAdmin(DukaModelAdmin):
    can_see = can_see_services
    can_manage = can_manage_services
    list_display = ("name", "code", "gap", "step", "is_default", "active")
    search_fields = ("name", "code")
    fields = ("name", "code", "gap", "step", "active")
    inlines = (HoursInline,)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # What was booked of it stays in the books; it is made inactive instead.
        return False

    def save_model(self, request: HttpRequest, obj: Resource, form: Any, change: bool) -> None:
        if change:
            become(obj, services.update_resource(resource_id=obj.pk, **self.changed(form)))
        else:
            become(obj, services.create_resource(**form.cleaned_data))

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        if not formset.has_changed():
            return
        formset.save(commit=False)
        kept = [
            each.instance
            for each in formset.forms
            if (each.instance.pk or each.has_changed()) and each not in formset.deleted_forms
        ]
        services.set_opening_hours(resource_id=form.instance.pk, hours=kept)


@admin.register(ClosedDay)
class ClosedDayAdmin(DukaModelAdmin):
    can_see = can_see_services
    can_manage = can_manage_services
    list_display = ("date", "resource", "reason")
    list_select_related = ("resource",)
    list_filter = ("resource",)
    fields = ("date", "resource", "reason")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # It is opened again, by deleting it.
        return obj is None and super().has_change_permission(request)

    def save_model(self, request: HttpRequest, obj: ClosedDay, form: Any, change: bool) -> None:
        become(obj, services.close_day(**form.cleaned_data))

    def delete_model(self, request: HttpRequest, obj: ClosedDay) -> None:
        services.open_day(closedday_id=obj.pk)


class BookingForm(forms.ModelForm[Booking]):
    # By its own manager: the form asks for a field that has a `through`.
    wanted = forms.ModelMultipleChoiceField(queryset=Service.objects.all(), label="services")
    total_fee = forms.DecimalField(
        max_digits=12,
        decimal_places=2,
        min_value=0,
        required=False,
        help_text="Empty: what the services cost.",
    )

    class Meta:
        model = Booking
        fields = ("datetime", "resource", "customer", "wanted", "total_fee")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [each.service_id for each in self.instance.booked.all()] if self.instance.pk else []
        offered = Service.objects.filter(active=True) | Service.objects.filter(pk__in=known)
        if "wanted" in self.fields:
            cast("Any", self.fields["wanted"]).queryset = offered
            self.initial["wanted"] = known

    def arguments(self) -> dict[str, Any]:
        """Return what a service is told: of a booking that is there, what was changed."""
        names = self.changed_data if self.instance.pk else list(self.cleaned_data)
        data = {name: self.cleaned_data[name] for name in names}
        if "datetime" in data:
            data["time"] = data.pop("datetime")
        if "wanted" in data:
            data["services"] = [each.pk for each in data.pop("wanted")]
        return data


class BookingInline(ReadOnly, TabularInline):
    hide_title = True
    extra = 0

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_see_bookings(request.user)


class BookedInline(BookingInline):
    model = BookedService
    verbose_name_plural = "what is booked"
    fields = ("service", "fee")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("service")


class HistoryInline(BookingInline):
    model = BookingChange
    verbose_name_plural = "history"
    fields = ("at", "verb", "who", "before_and_after", "reason")
    readonly_fields = ("who", "before_and_after")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("by")

    @display(description="by")
    def who(self, change: BookingChange) -> str:
        return str(change.by or "")

    @display(description="before and after")
    def before_and_after(self, change: BookingChange) -> str:
        return "; ".join(
            f"{name}: {before} → {after}" for name, (before, after) in change.changes.items()
        )


class WhyForm(forms.Form):
    reason = forms.CharField(
        max_length=500, required=False, widget=UnfoldAdminTextareaWidget({"rows": 3})
    )


@admin.register(Booking)
class BookingAdmin(MovingAdmin):
    can_see = can_see_bookings
    can_manage = can_handle_bookings
    form = BookingForm
    list_display = ("id", "datetime", "customer", "resource", "state", "total_fee", "imported")
    list_filter = ("status", "resource", "imported", "datetime")
    list_select_related = ("customer", "resource")
    search_fields = ("id", "customer__name", "customer__code", "customer__phone")
    date_hierarchy = "datetime"
    autocomplete_fields = ("customer",)
    fields = ("datetime", "resource", "customer", "wanted", "total_fee")
    verbs = (
        Verb(name="confirm", to=BookingStatus.CONFIRMED, move=services.confirm_booking),
        Verb(name="done", to=BookingStatus.DONE, move=services.finish_booking),
        Verb(name="no_show", to=BookingStatus.NO_SHOW, move=services.miss_booking),
        Verb(name="cancel", to=BookingStatus.CANCELLED, move=services.cancel_booking, form=WhyForm),
    )

    @display(description="status", ordering="status", label=_COLOURS)
    def state(self, booking: Booking) -> tuple[str, str]:
        return booking.status, booking.get_status_display()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": self.fields})]
        facts = ("id", "status", "imported")
        typed = self.fields if self._may_edit(request, obj) else self._facts
        return [(None, {"fields": (facts, *typed)})]

    # What is shown where nothing can be typed in: its services stand below.
    _facts = ("datetime", "resource", "customer", "total_fee", "currency")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        return (
            *("id", "status", "imported"),
            *(() if self._may_edit(request, obj) else self._facts),
        )

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> Any:
        return (BookedInline, HistoryInline) if obj else ()

    def _may_edit(self, request: HttpRequest, booking: Booking) -> bool:
        open_now = booking.state.is_open and not booking.imported
        return open_now and can_handle_bookings(request.user)

    def save_model(self, request: HttpRequest, obj: Booking, form: Any, change: bool) -> None:
        by = cast("User", request.user)
        if change and "datetime" not in form.fields:
            # It cannot be edited, so there was nothing to type in.
            return
        data = form.arguments()
        if change:
            become(obj, services.change_booking(booking_id=obj.pk, by=by, **data))
        else:
            become(obj, services.book(by=by, **data))

    def delete_model(self, request: HttpRequest, obj: Booking) -> None:
        services.delete_booking(booking_id=obj.pk, by=cast("User", request.user))
