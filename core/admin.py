"""Looking at background work."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from .models import PeriodicJob, Worker


class ReadOnlyAdmin(ModelAdmin):
    """For rows that only services write: to be seen, never typed in."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


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
