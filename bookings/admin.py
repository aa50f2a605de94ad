"""Bookings in the admin. A status is moved by the verbs alone, never typed in."""

from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, QueryDict
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
)

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
from .querysets import LONGEST_GAP
from .states import BookingStatus

_MINUTE = timedelta(minutes=1)
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


class ResourceForm(forms.ModelForm[Resource]):
    gap = forms.IntegerField(
        min_value=1,
        max_value=LONGEST_GAP // _MINUTE,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Minutes from the beginning of one booking to that of the next.",
    )

    class Meta:
        model = Resource
        fields = ("name", "code", "gap", "step", "active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["gap"] = self.instance.gap_in_minutes

    def clean_gap(self) -> timedelta:
        return cast("int", self.cleaned_data["gap"]) * _MINUTE


def _refuse_seconds(clock: time) -> None:
    if clock.second or clock.microsecond:
        raise ValidationError("Hours and minutes alone: 08:30.")


class HoursForm(forms.ModelForm[OpeningHours]):
    class Meta:
        model = OpeningHours
        fields = ("weekday", "opens", "closes")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in {"opens", "closes"} & set(self.fields):
            field = cast("Any", self.fields[name])
            field.widget.format = "%H:%M"
            field.validators.append(_refuse_seconds)


class HoursInline(TabularInline):
    model = OpeningHours
    form = HoursForm
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
    form = ResourceForm
    list_display = ("name", "code", "minutes", "step", "default", "active")
    search_fields = ("name", "code")
    readonly_fields = ("minutes",)
    inlines = (HoursInline,)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        gap = "gap" if can_manage_services(request.user) else "minutes"
        return ("name", "code", gap, "step", "active")

    @display(description="gap", ordering="gap")
    def minutes(self, resource: Resource) -> str:
        return f"{resource.gap_in_minutes} min"

    @display(description="default")
    def default(self, resource: Resource) -> str:
        return "default" if resource.is_default else ""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # What was booked of it stays in the books; it is made inactive instead.
        return False

    def save_model(self, request: HttpRequest, obj: Resource, form: Any, change: bool) -> None:
        if change:
            become(obj, services.update_resource(resource_id=obj.pk, **self.changed(form)))
        else:
            become(obj, services.create_resource(**form.cleaned_data))

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        # Django's log of what was done asks the formset what it saved.
        formset.save(commit=False)
        if not formset.has_changed():
            return
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


class BookingTimeField(forms.SplitDateTimeField):
    """Keeps a time that is left as it is: in an hour that the clocks repeat it reads as two."""

    before: datetime | None = None

    def compress(self, data_list: Any) -> datetime | None:
        if self.before:
            shown = timezone.localtime(self.before).replace(microsecond=0)
            if data_list == [shown.date(), shown.time()]:
                return self.before
        return super().compress(data_list)


class ServicesField(forms.ModelMultipleChoiceField[Service]):
    """Names what each service costs; one that is booked already, what it was booked for."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.booked: dict[int, Decimal] = {}

    def fee(self, service: Service) -> Decimal:
        return self.booked.get(service.pk, service.fee)

    def label_from_instance(self, service: Any) -> str:
        return f"{service} ({self.fee(service):,.2f})"


class BookingForm(forms.ModelForm[Booking]):
    datetime = BookingTimeField(label="Time", widget=UnfoldAdminSplitDateTimeWidget)
    # By its own manager: the form asks for a field that has a `through`.
    wanted = ServicesField(
        queryset=Service.objects.all(),
        label="Services",
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    total_fee = forms.DecimalField(
        max_digits=12,
        decimal_places=2,
        min_value=0,
        required=False,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="Empty: what the services cost.",
    )

    class Meta:
        model = Booking
        fields = ("datetime", "resource", "customer", "wanted", "total_fee")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "datetime" not in self.fields:
            # It cannot be edited.
            return
        there = self.instance.booked.all() if self.instance.pk else []
        known = {each.service_id: each.fee for each in there}
        wanted = cast("ServicesField", self.fields["wanted"])
        wanted.booked = known
        wanted.queryset = Service.objects.filter(active=True) | Service.objects.filter(pk__in=known)
        self.initial["wanted"] = list(known)
        cast("BookingTimeField", self.fields["datetime"]).before = self.instance.datetime

    def add_error(self, field: str | None, error: Any) -> None:
        super().add_error(field, error)
        if field == "customer":
            # To show the page again, Django would look up whatever was sent: "abc", NUL.
            sent = cast("QueryDict", self.data).copy()
            sent["customer"] = ""
            self.data = sent

    def arguments(self) -> dict[str, Any]:
        """Return what a service is told: of a booking that is there, what was changed."""
        names = self.changed_data if self.instance.pk else list(self.cleaned_data)
        data = {name: self.cleaned_data[name] for name in names}
        if "total_fee" in data and data["total_fee"] is None:
            # Said, as a booking that is there would keep the total that it has.
            field = cast("ServicesField", self.fields["wanted"])
            data["total_fee"] = sum(map(field.fee, self.cleaned_data["wanted"]))
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
    list_display = ("id", "datetime", "customer", "resource", "state", "total_fee", "history")
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

    @display(description="imported")
    def history(self, booking: Booking) -> str:
        return "history" if booking.imported else ""

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        return {"resource": services.default_resource().pk} | given

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": self.fields})]
        facts = ("id", "status", *(("imported",) if obj.imported else ()))
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
