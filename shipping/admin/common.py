"""What the admin pages of shipping share."""

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib.admin.utils import display_for_value
from django.http import HttpRequest, HttpResponse
from unfold.admin import TabularInline
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.models import User
from core.admin import NOTHING_TO_SAVE, MovingAdmin, ReadOnly, become
from core.errors import InvalidInput
from orders.services import Wanted
from shipping import services
from shipping.exceptions import CarrierUnknown
from shipping.providers import ADDRESS_FIELDS, Address


class WhyForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text="For the timeline.",
    )


class GoodsField(forms.CharField):
    """Pieces, one SKU a line: `TEA-1 2`. An empty line begins another parcel."""

    widget = UnfoldAdminTextareaWidget({"rows": 5})

    def to_python(self, value: Any) -> Any:
        parcels: list[list[Wanted]] = [[]]
        for line in (super().to_python(value) or "").splitlines():
            words = line.split()
            if not words:
                parcels.append([])
                continue
            if len(words) != 2 or not (words[1].isascii() and words[1].isdigit()):
                raise forms.ValidationError(f"Write a SKU and a number of pieces: {line!r}.")
            parcels[-1].append(Wanted(sku=words[0], quantity=int(words[1][:9])))
        return [each for each in parcels if each]

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(initial) != self.to_python(data))
        except forms.ValidationError:
            return True


class TypedForm(forms.ModelForm[Any]):
    """Says at its fields what a service refused of what was typed."""

    refused: ClassVar[InvalidInput | None] = None

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for each in self.refused.errors if self.refused else ():
            name = str(each.path[-1])
            field = "contents" if each.path[0] in {"parcels", "items"} else name
            self.add_error(field if field in self.fields else None, each.detail)
        return data

    def address(self) -> Address:
        return Address(**{name: self.cleaned_data[name] for name in ADDRESS_FIELDS})


class TypedAdmin(MovingAdmin):
    """Writes by a service, and shows what that refuses with all that was typed.

    A subclass names the service in `saved`; it returns None where there is nothing to write.
    """

    def saved(self, by: User, obj: Any, form: Any, change: bool) -> Any:
        # Of what has no field to type into, as what carriers told, nothing is ever saved.
        raise NotImplementedError

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        try:
            saved = self.saved(request.user, obj, form, change)
        except InvalidInput as error:
            request.refused = error
            raise
        if saved is not None:
            become(obj, saved)

    def changeform_view(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        answer = super().changeform_view(request, *args, **kwargs)
        refused = getattr(request, "refused", None)
        # Nothing is written of it. Once more, as a form that has errors.
        again = refused is not None and bool(refused.errors)
        return super().changeform_view(request, *args, **kwargs) if again else answer

    def get_form(self, request: Any, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"refused": getattr(request, "refused", None)})

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        try:
            return {"carrier": services.active_carrier().pk, **given}
        except CarrierUnknown:
            return given

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if not context["adminform"].form.fields:
            context |= NOTHING_TO_SAVE
        page: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return page


class SeenInline(ReadOnly, TabularInline):
    """Seen by whoever sees the page that it is on."""

    hide_title = True
    extra = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


def before_and_after_of(changes: dict[str, Any]) -> str:
    return "; ".join(f"{name}: {before} → {after}" for name, (before, after) in changes.items())


def shown(moment: datetime | None) -> str:
    """Return a time as the admin writes it: of what a method returns it shows the plain value."""
    return str(display_for_value(moment, "-"))
