"""Access in the admin: employees, invitations, machines, the audit log, users."""

from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextInputWidget,
)

from core.admin import NOTHING_TO_SAVE, MovingAdmin, ReadOnlyAdmin, Verb, become, named, tell
from core.errors import DomainError

from .models import AuditEntry, Identity, Invitation, Machine, Membership, User
from .oidc.discovery import endpoint
from .permissions import can_manage_employees, labels_of
from .services import invitations, machines, memberships
from .states import Role, Source, Standing

admin.site.unregister(Group)

_COLOURS = {
    Standing.OPEN: "info",
    Standing.ACTIVE: "success",
    Standing.ACCEPTED: "success",
    Standing.SUSPENDED: "warning",
    Standing.EXPIRED: "danger",
    Standing.REVOKED: "danger",
}


class RightsForm(forms.ModelForm[Any]):
    """Rights in a shopkeeper's words, those that the grantor has."""

    rights = forms.MultipleChoiceField(
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        choices=[(code, label) for code, (label, _) in settings.SHOP_RIGHTS.items()],
    )
    granted_by: User
    rights_help = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["rights"].help_text = self.rights_help

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        # At the field, where it can be mended; the service decides.
        role = data.get("role") or getattr(self.instance, "role", None) or Role.EMPLOYEE
        before = self.instance.rights if self.instance.pk else []
        try:
            memberships.check_grant(
                by=self.granted_by,
                role=Role(role),
                rights=sorted(set(data.get("rights", [])) ^ set(before)),
            )
        except DomainError as error:
            self.add_error("rights", error.detail)
        return data


class OutsideMachineForm(RightsForm):
    subject = forms.CharField(
        max_length=255,
        widget=UnfoldAdminTextInputWidget,
        help_text="The `sub` of its tokens at the sign-in provider.",
    )


class AccessAdmin(MovingAdmin):
    """What those see who manage employees."""

    can_see = can_manage_employees
    can_manage = can_manage_employees
    form = RightsForm
    rights_help = "A shopkeeper may do everything, whatever is ticked."

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        more = {"granted_by": request.user, "rights_help": self.rights_help}
        return type(form.__name__, (form,), more)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        # Most of it is not made in the admin; the audit log has all of it.
        context = {**(extra_context or {}), "show_history": False}
        return super().changeform_view(request, object_id, form_url, context)

    @display(description="rights")
    def granted(self, row: Any) -> str:
        if getattr(row, "role", None) == Role.SHOPKEEPER:
            return "Everything"
        return ", ".join(labels_of(row.rights)) or "-"

    @display(description="state", label=_COLOURS)
    def standing(self, row: Any) -> tuple[str, str]:
        return row.state, row.state.label

    @display(description="state")
    def state_now(self, row: Any) -> str:
        return str(row.state.label)

    def show_once(
        self,
        request: HttpRequest,
        *,
        title: str,
        values: dict[str, str],
        more: dict[str, str] | None = None,
    ) -> HttpResponse:
        """Answer with what is kept nowhere: not in a message, which waits in a cookie."""
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "values": values,
            "more": more or {},
            "back": reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"),
        }
        # The admin's pages are never cached.
        return render(request, "admin/shown_once.html", context)


@admin.register(Membership)
class EmployeeAdmin(AccessAdmin):
    verbs = (
        Verb(name="suspend", to=Standing.SUSPENDED, move=memberships.suspend),
        Verb(name="resume", to=Standing.ACTIVE, move=memberships.resume),
    )
    list_display = ("person", "email", "role", "granted", "source", "standing")
    list_filter = ("role", "source")
    list_select_related = ("user",)
    search_fields = ("user__first_name", "user__last_name", "user__email")
    fields = ("person", "email", "role", "rights", "source", "state_now")
    readonly_fields = ("person", "email", "source", "state_now")
    actions_detail = ("audit_log",)

    @action(description="Audit log", url_path="audit", permissions=["view"])
    def audit_log(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What they did, and what was done to them."""
        row: Any = self.get_object(request, object_id)
        if row is None:
            raise Http404
        query = urlencode({"q": row.user.subject})
        return HttpResponseRedirect(f"{reverse('admin:accounts_auditentry_changelist')}?{query}")

    @display(description="name", ordering="user__first_name")
    def person(self, row: Membership) -> str:
        return str(row.user)

    @display(description="e-mail")
    def email(self, row: Membership) -> str:
        return row.user.email

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # People come by invitation.
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        mine = obj is None or obj.source == Source.LOCAL
        return mine and super().has_delete_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        decided_outside = obj is not None and obj.source == Source.OIDC
        return (*self.readonly_fields, "role") if decided_outside else self.readonly_fields

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        data = self.changed(form)
        if "role" in data:
            data["role"] = Role(data["role"])
        by = cast("User", request.user)
        become(obj, memberships.change_membership(membership_id=obj.pk, by=by, **data))

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        memberships.remove(membership_id=obj.pk, by=cast("User", request.user))


@admin.register(Invitation)
class InvitationAdmin(AccessAdmin):
    verbs = (Verb(name="revoke", to=Standing.REVOKED, move=invitations.revoke),)
    list_display = ("__str__", "granted", "standing", "inviter", "created_at", "expires_at")
    list_filter = ("role", "created_at")
    list_select_related = ("invited_by",)
    search_fields = ("email", "phone")
    rights_help = (
        f"{AccessAdmin.rights_help} An employee without any can do nothing until you grant some."
    )
    inviter = named("invited_by")
    guest = named("accepted_by")

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        sent = "We send the link there. Leave both empty to hand it over yourself."
        kwargs["help_texts"] = {} if obj else {"email": sent, "phone": sent}
        return super().get_form(request, obj, change=change, **kwargs)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = {**(extra_context or {}), **NOTHING_TO_SAVE}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        asked = ("role", "rights", "email", "phone")
        shown = ("role", "granted", "email", "phone", "state_now", "inviter", "expires_at", "guest")
        return asked if obj is None else shown

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else self.get_fields(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        if change:
            return
        data = dict(form.cleaned_data)
        data["role"] = Role(data["role"])
        made, link = invitations.invite(by=cast("User", request.user), **data)
        become(obj, made)
        obj.__dict__["link"] = link

    def response_add(
        self, request: HttpRequest, obj: Invitation, post_url_continue: str | None = None
    ) -> HttpResponse:
        values = {"Link": obj.__dict__["link"]}
        sent = f" It is on its way to {obj.email or obj.phone}." if obj.email or obj.phone else ""
        return self.show_once(request, title=f"The invitation is made.{sent}", values=values)


@admin.register(Machine)
class MachineAdmin(AccessAdmin):
    verbs = (Verb(name="revoke", to=Standing.REVOKED, move=machines.revoke_machine),)
    list_display = ("name", "client_id", "granted", "standing", "last_used_at", "expires_at")
    search_fields = ("name", "client__id")
    actions_detail = ("renew_this",)
    rights_help = ""

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        asked = ("name", "rights", "expires_at")
        if obj is None:
            return asked if settings.OIDC_EMBEDDED else (*asked, "subject")
        return (*asked, "client_id", "state_now", "last_used_at", "created_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("client_id", "state_now", "last_used_at", "created_at") if obj else ()

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None and not settings.OIDC_EMBEDDED:
            kwargs["form"] = OutsideMachineForm
        when = f"Empty: never. In the time of {settings.SHOP_TIME_ZONE}."
        kwargs["help_texts"] = {"expires_at": when}
        return super().get_form(request, obj, change=change, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Revoked, and so still named in what it did.
        return False

    def save_model(self, request: HttpRequest, obj: Machine, form: Any, change: bool) -> None:
        by = cast("User", request.user)
        if change:
            become(obj, machines.change_machine(machine_id=obj.pk, by=by, **self.changed(form)))
            return
        made, secret = machines.create_machine(by=by, **form.cleaned_data)
        become(obj, made)
        obj.__dict__["secret"] = secret

    def response_add(
        self, request: HttpRequest, obj: Machine, post_url_continue: str | None = None
    ) -> HttpResponse:
        if not obj.client_id:
            listed: HttpResponse = super().response_add(request, obj, post_url_continue)
            return listed
        return self._show_secret(request, obj, obj.__dict__["secret"])

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        row: Any = self.get_object(request, str(object_id))
        offered = super().get_actions_detail(request, object_id)
        if row is not None and row.client_id and row.state == Standing.ACTIVE:
            return offered
        return [each for each in offered if each.path != "renew"]

    @action(description="New secret", url_path="renew", permissions=["change"])
    def renew_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        machine: Any = self.get_object(request, object_id)
        if machine is None:
            raise Http404
        verb = Verb(name="renew", to=Standing.ACTIVE, move=machines.renew_secret)
        if request.method != "POST":
            rows = Machine.objects.filter(pk=machine.pk)
            return self.ask(request, rows, verb, forms.Form())
        try:
            machine, secret = machines.renew_secret(
                machine_id=machine.pk, by=cast("User", request.user)
            )
        except DomainError as error:
            tell(request, error)
            page = reverse("admin:accounts_machine_change", args=[object_id])
            return HttpResponseRedirect(page)
        return self._show_secret(request, machine, secret)

    def _show_secret(self, request: HttpRequest, machine: Machine, secret: str) -> HttpResponse:
        values = {"Client id": str(machine.client_id), "Client secret": secret}
        address = endpoint("token_endpoint")
        call = f"curl -u '{machine.client_id}:{secret}' {address} -d grant_type=client_credentials"
        more = {"Where it gets tokens": address, "How, to try it": call}
        return self.show_once(request, title=f"Access for {machine}", values=values, more=more)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "who", "action", "target", "address")
    list_filter = ("action", "at")
    list_select_related = ("actor",)
    # By subject, somebody is found whatever they are called.
    search_fields = ("target", "address", "actor_subject", "target_subject")
    search_help_text = "Whom or what it was about, an address, or somebody's subject."
    readonly_fields = ("who",)
    fields = (
        "at",
        "who",
        "actor_subject",
        "action",
        "target",
        "target_subject",
        "address",
        "request_id",
        "detail",
    )
    who = named("actor")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return can_manage_employees(request.user)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return can_manage_employees(request.user)


class IdentityInline(TabularInline):
    """By which tokens a user is known: the issuer's URL and its name for them (`iss`, `sub`)."""

    model = Identity
    extra = 0


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Django's own; what it grants counts beside memberships."""


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User], ModelAdmin):
    """For a superuser alone, who may mend what the shop's own pages cannot."""

    form = UserChangeForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("__str__", "email", "is_active", "is_staff", "is_superuser", "last_login")
    search_fields = ("first_name", "last_name", "email", "username")
    inlines = (IdentityInline,)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser

    def has_add_permission(self, request: HttpRequest) -> bool:
        # People sign up; machines are made in their own list.
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Theirs to do, on their account's page: it anonymises what is kept.
        return False
