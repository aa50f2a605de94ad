"""Users in the admin, with unfold's forms so that they look like the rest."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from .models import Identity, User

admin.site.unregister(Group)


class IdentityInline(TabularInline):
    """By which tokens a user is known: the issuer's URL and its name for them (`iss`, `sub`)."""

    model = Identity
    extra = 0


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User], ModelAdmin):
    def get_inlines(self, request: HttpRequest, obj: User | None = None) -> Any:
        return (IdentityInline,) if obj else ()

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    pass
