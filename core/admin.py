"""The base of every admin page, and the pages for background work."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.exceptions import (
    DisallowedModelAdminLookup,
    DisallowedModelAdminToField,
)
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from .errors import DomainError
from .models import PeriodicJob, Worker
from .permissions import Predicate

# What the context of a page says that has nothing to type in.
NOTHING_TO_SAVE = dict.fromkeys(
    ("show_save", "show_save_and_continue", "show_save_and_add_another"), False
)


def named(field: str) -> Any:
    """Return a column with a name alone: Django would link to a page that few may open."""

    @display(description=field.replace("_", " "), ordering=field)
    def name(self: object, row: Model) -> str:
        return str(getattr(row, field) or "-")

    return name


class AsksPredicates:
    """Asks the app's own predicates; inlines too, or Django's own permissions would be asked."""

    can_see: ClassVar[Predicate]
    can_manage: ClassVar[Predicate]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return type(self).can_see(request.user)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return type(self).can_see(request.user)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return type(self).can_manage(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return type(self).can_manage(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return type(self).can_manage(request.user)


class _Autocomplete(AutocompleteSelect):
    """Chooses nothing by what is no key, as somebody wrote it by hand; Django's fails at it."""

    def optgroups(self, name: str, value: Sequence[str], attr: Any = None) -> Any:
        return super().optgroups(name, [each for each in value if self._is_key(each)], attr)

    def _is_key(self, value: str) -> bool:
        try:
            self.field.target_field.clean(value, None)
        except ValidationError:
            return False
        return True


class Autocompletes:
    """Of an admin or an inline with `autocomplete_fields`."""

    def formfield_for_foreignkey(self: Any, db_field: Any, request: HttpRequest, **kw: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kw["widget"] = _Autocomplete(db_field, self.admin_site, using=kw.get("using"))
        # Mixed into an admin, whose method that is.
        return super().formfield_for_foreignkey(db_field, request, **kw)  # type: ignore[misc]


class DukaModelAdmin(Autocompletes, AsksPredicates, ModelAdmin):
    """Asks the app's own predicates, and says a domain error in its sentence.

    A subclass writes through services: `save_model`, `delete_model`.
    """

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            response: HttpResponse = super().changeform_view(
                request, object_id, form_url, extra_context
            )
        except DomainError as error:
            # Forms check what they can; this is for what only the service sees.
            tell(request, error)
            return HttpResponseRedirect(request.get_full_path())
        return response

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            # Of several that are deleted together, all or none. A list alone needs no transaction.
            with transaction.atomic() if request.method == "POST" else nullcontext():
                response: HttpResponse = super().changelist_view(request, extra_context)
                return response
        except DomainError as error:
            tell(request, error)
        except (DisallowedModelAdminLookup, DisallowedModelAdminToField, ValueError, DatabaseError):
            # A filter or a key that somebody wrote into the address by hand.
            messages.error(request, "The list cannot be shown so.")
        return HttpResponseRedirect(request.path)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            response: HttpResponse = super().delete_view(request, object_id, extra_context)
        except DomainError as error:
            tell(request, error)
            return HttpResponseRedirect(request.get_full_path())
        return response

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for each in queryset:
            self.delete_model(request, each)

    def changed(self, form: Any) -> dict[str, Any]:
        """Return what was typed into the model's own fields, to hand to a service."""
        own = {field.name for field in self.model._meta.get_fields()}
        return {name: form.cleaned_data[name] for name in form.changed_data if name in own}


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
        help_text="They are told this.",
    )


@dataclass(frozen=True, kw_only=True)
class Verb:
    """A move, offered as a button on the row's page and as an action on the list.

    `move` gets the row's key (`order_id=` for orders), `by`, and what `form` asked for; on the
    row's page what `form_of` that row asked for, where there is one.
    """

    name: str
    # None: it leaves the status as it is, and `fits` says when.
    to: str | None
    move: Callable[..., Any]
    form: type[forms.Form] = forms.Form
    form_of: Callable[[Any], Callable[..., forms.Form]] | None = None
    fits: Callable[[Any], bool] | None = None
    on_list: bool = True

    @property
    def label(self) -> str:
        return self.name.replace("_", " ").capitalize()

    def may_follow(self, row: Any) -> bool:
        return self.fits(row) if self.fits else self.to in row.state.allowed


class MovingAdmin(DukaModelAdmin):
    """For rows with a `state`, moved by `verbs` alone.

    Each verb becomes the list action `name` and the button `name_this`.
    """

    verbs: ClassVar[tuple[Verb, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        on_list = [verb for verb in cls.verbs if verb.on_list]
        for verb in on_list:
            setattr(cls, verb.name, _list_action(verb))
        for verb in cls.verbs:
            setattr(cls, f"{verb.name}_this", _button(verb))
        cls.actions = tuple(verb.name for verb in on_list)
        more = tuple(cls.__dict__.get("actions_detail", ()))
        cls.actions_detail = (*(f"{verb.name}_this" for verb in cls.verbs), *more)

    def sentence(self, row: Any) -> str:
        """Say which row it is, before it is moved."""
        return f"{self.opts.verbose_name.capitalize()} {row}, now {row.state.label.lower()}."

    def heading(self, verb: Verb, named: str) -> str:
        """Say what is to be done with those that are named."""
        return f"{verb.label} {self.opts.verbose_name} {named}"

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer only those moves that the row's status allows."""
        row: Any = self.get_object(request, str(object_id))
        hidden = {verb.name for verb in self.verbs if not row or not verb.may_follow(row)}
        return [
            each
            for each in super().get_actions_detail(request, object_id)
            if each.path not in hidden
        ]

    def ask(
        self, request: HttpRequest, rows: QuerySet[Any], verb: Verb, form: forms.Form
    ) -> HttpResponse:
        named = ", ".join(str(row) for row in rows)
        context = {
            **self.admin_site.each_context(request),
            "title": self.heading(verb, named),
            "label": verb.label,
            "rows": [(row, self.sentence(row)) for row in rows],
            "form": form,
            "opts": self.opts,
            "action": request.POST.get("action"),
            "back": request.path.removesuffix(f"{verb.name}/"),
        }
        return render(request, "admin/ask.html", context)

    def move(self, request: HttpRequest, rows: QuerySet[Any], verb: Verb, **more: Any) -> None:
        """Move each row that may be moved, and name those that may not."""
        moved = []
        for row in rows:
            key = {f"{self.opts.model_name}_id": row.pk}
            try:
                moved.append(verb.move(**key, by=request.user, **more))
            except DomainError as error:
                tell(request, error)
        if moved:
            messages.success(request, self.outcome(moved))

    def outcome(self, rows: Sequence[Any]) -> str:
        """Say what became of the rows that were moved."""
        named = ", ".join(str(row) for row in rows)
        status = rows[0].state.label.lower()
        return f"{self.opts.verbose_name.capitalize()} {named}: now {status}."


def _list_action(verb: Verb) -> Any:
    def run(self: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        asks = bool(verb.form.base_fields)
        form = verb.form(request.POST if "confirmed" in request.POST or not asks else None)
        if not form.is_valid():
            answer: HttpResponse = self.ask(request, queryset, verb, form)
            return answer
        self.move(request, queryset, verb, **form.cleaned_data)
        return None

    run.__name__ = verb.name
    return admin.action(description=verb.label, permissions=["change"])(run)


def _button(verb: Verb) -> Any:
    def run(self: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        # A button is a link, and a GET must not move anything: ask first.
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        rows = self.model._default_manager.filter(pk=row.pk)
        make: Callable[..., forms.Form] = verb.form_of(row) if verb.form_of else verb.form
        form = make(request.POST if request.method == "POST" else None)
        if not form.is_valid():
            answer: HttpResponse = self.ask(request, rows, verb, form)
            return answer
        self.move(request, rows, verb, **form.cleaned_data)
        page = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return HttpResponseRedirect(reverse(page, args=[object_id]))

    run.__name__ = f"{verb.name}_this"
    return action(description=verb.label, url_path=verb.name, permissions=["change"])(run)


class ReadOnly:
    """For rows that only services write: to be seen, never typed in."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, ModelAdmin):
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        # The admin knows the history only of what was typed in there.
        context = {**(extra_context or {}), "show_history": False}
        response: HttpResponse = super().changeform_view(request, object_id, form_url, context)
        return response


def tell(request: HttpRequest, error: DomainError) -> None:
    """Show a domain error with the details of its fields."""
    details = [each.detail for each in error.errors if each.detail not in error.detail]
    messages.error(request, " ".join([error.detail, *details]))


def become(instance: Model, saved: Model) -> None:
    """Let the admin's own instance stand for the row that a service made."""
    instance.__dict__.update(saved.__dict__)


@admin.register(PeriodicJob)
class PeriodicJobAdmin(ModelAdmin):
    list_display = ("name", "enabled", "every", "next_run_at", "last_run_at")
    readonly_fields = ("name", "every", "next_run_at", "last_run_at")
    fields = ("name", "enabled", "every", "next_run_at", "last_run_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = ("id", "started_at", "seen_at")
