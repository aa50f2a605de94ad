"""The base of every admin page, and the pages for background work."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.admin import ModelAdmin

from .api.permissions import Predicate
from .errors import DomainError
from .models import PeriodicJob, Worker


class DukaModelAdmin(ModelAdmin):
    """Asks the app's own predicates, and says a domain error in its sentence.

    A subclass writes through services: `save_model`, `delete_model`.
    """

    can_see: ClassVar[Predicate]
    can_manage: ClassVar[Predicate]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return type(self).can_see(request.user)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return type(self).can_see(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return type(self).can_manage(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return type(self).can_manage(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return type(self).can_manage(request.user)

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


class ReadOnly:
    """For rows that only services write: to be seen, never typed in."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, ModelAdmin):
    pass


def tell(request: HttpRequest, error: DomainError) -> None:
    """Show a domain error with the details of its fields."""
    details = [each.detail for each in error.errors if each.detail != error.detail]
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
