"""REST of accounts."""

from collections.abc import Callable
from typing import Any, cast

from django.conf import settings
from django.db import transaction
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.exceptions import NotYours, SignInAgain
from accounts.models import AuditEntry, Invitation, Machine, Membership, User
from accounts.permissions import can_manage_employees, permissions_of_right
from accounts.services import invitations, machines, memberships, people
from accounts.services.sessions import recently_proved
from core.api.serializers import NothingInput
from core.api.views import ResourceViewSet
from core.permissions import signed_in

from .filters import AuditFilter, EmployeeFilter, InvitationFilter, MachineFilter
from .serializers import (
    AcceptInput,
    AuditEntrySerializer,
    EmployeeInput,
    EmployeeSerializer,
    InvitationInput,
    InvitationSerializer,
    MachineInput,
    MachineSerializer,
    MeInput,
    MeSerializer,
    NewMachineInput,
    RightSerializer,
)


class MeView(APIView):
    permission_classes = (IsAuthenticated,)

    @extend_schema(operation_id="me", summary="Who I am.", responses=MeSerializer, tags=["me"])
    def get(self, request: Request) -> Response:
        """What the shop knows of the caller, whichever way they signed in."""
        return Response(MeSerializer(cast("User", request.user)).data)

    @extend_schema(
        operation_id="me_change",
        summary="Change what I am called.",
        request=MeInput,
        responses=MeSerializer,
        tags=["me"],
    )
    def patch(self, request: Request) -> Response:
        """The e-mail address is changed on the account's pages, where it is proved."""
        form = MeInput(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        user = cast("User", request.user)
        if form.validated_data:
            user = people.change_name(user=user, **form.validated_data)
        return Response(MeSerializer(user).data)

    @extend_schema(
        operation_id="me_delete",
        summary="Delete my account.",
        responses={204: None},
        tags=["me"],
    )
    def delete(self, request: Request) -> Response:
        """Needs a session whose owner proved who they are within the last five minutes.

        What they ordered is kept without who they were.
        """
        if hasattr(request.user, "machine"):
            raise NotYours("A machine's access is revoked, not deleted.")
        # A token says nothing of when its owner was there.
        if request.auth is not None or not recently_proved(request):
            raise SignInAgain("Sign in again, in the browser, before you delete your account.")
        people.delete_account(user=cast("User", request.user))
        request.session.flush()
        return Response(status=status.HTTP_204_NO_CONTENT)


class MyDataView(APIView):
    permission_classes = (IsAuthenticated,)

    @extend_schema(
        operation_id="me_data",
        summary="All that the shop keeps of me.",
        responses={200: OpenApiTypes.OBJECT},
        tags=["me"],
    )
    def get(self, request: Request) -> Response:
        """By section: account, customer, orders, messages."""
        data = people.personal_data(user=cast("User", request.user))
        headers = {"Content-Disposition": 'attachment; filename="my-data.json"'}
        return Response(data, headers=headers)


class RightsView(APIView):
    permitted = {"get": can_manage_employees}

    @extend_schema(
        operation_id="rights",
        summary="What can be granted.",
        responses=RightSerializer(many=True),
        tags=["employees"],
    )
    def get(self, request: Request) -> Response:
        """The rights that employees and machines can have."""
        return Response(
            [
                {"code": code, "label": label, "permissions": permissions_of_right(code)}
                for code, (label, _) in settings.SHOP_RIGHTS.items()
            ]
        )


class EmployeeViewSet(ResourceViewSet):
    queryset = Membership.objects.select_related("user")
    serializer_class = EmployeeSerializer
    inputs = {"partial_update": EmployeeInput, "suspend": NothingInput, "resume": NothingInput}
    permitted = {"*": can_manage_employees}
    filterset_class = EmployeeFilter
    search_fields = ("user__first_name", "user__last_name", "user__email")
    ordering = "created_at"
    ordering_fields = ("created_at",)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Give and take rights, or change the role of an employee."""
        changes = self.input()
        return self._change(memberships.change_membership, **changes)

    def destroy(self, request: Request, pk: str) -> Response:
        """Remove an employee; their account stays a shopper's."""
        return self.delete_locked(
            lambda each: memberships.remove(membership_id=each.pk, by=self.caller)
        )

    @extend_schema(responses=EmployeeSerializer)
    @action(detail=True, methods=["post"])
    def suspend(self, request: Request, pk: str) -> Response:
        """Take all rights from an employee for a time."""
        return self._change(memberships.suspend, **self.input())

    @extend_schema(responses=EmployeeSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Lift the suspension of an employee."""
        return self._change(memberships.resume, **self.input())

    def _change(self, verb: Callable[..., object], **changes: Any) -> Response:
        return self.change_locked(
            lambda each: verb(membership_id=each.pk, by=self.caller, **changes)
        )

    def _locked_object(self) -> Any:
        memberships.lock_shopkeepers()
        return super()._locked_object()


class InvitationViewSet(ResourceViewSet):
    queryset = Invitation.objects.select_related("invited_by")
    serializer_class = InvitationSerializer
    inputs = {"create": InvitationInput, "revoke": NothingInput, "accept": AcceptInput}
    permitted = {"accept": signed_in, "*": can_manage_employees}
    may_find_nothing = ("accept",)
    filterset_class = InvitationFilter
    search_fields = ("email", "phone")
    ordering = "-created_at"
    ordering_fields = ("created_at",)

    @extend_schema(
        responses={
            201: inline_serializer(
                "NewInvitation",
                {
                    "link": serializers.CharField(help_text="Shown this once."),
                    **InvitationSerializer().get_fields(),
                },
            )
        }
    )
    def create(self, request: Request) -> Response:
        """Invite somebody to work here."""
        invitation, link = invitations.invite(by=self.caller, **self.input())
        return self.created_once(invitation.pk, link=link)

    @extend_schema(responses=InvitationSerializer)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        """Take an invitation back."""
        self.input()
        return self.change_locked(
            lambda each: invitations.revoke(invitation_id=each.pk, by=self.caller)
        )

    @extend_schema(responses=MeSerializer)
    @action(detail=False, methods=["post"])
    def accept(self, request: Request) -> Response:
        """Accept an invitation, as the one who is signed in."""
        invitations.accept(user=self.caller, **self.input())
        return Response(MeSerializer(User.objects.get(pk=self.caller.pk)).data)


class MachineViewSet(ResourceViewSet):
    queryset = Machine.objects.select_related("user")
    serializer_class = MachineSerializer
    inputs = {
        "create": NewMachineInput,
        "partial_update": MachineInput,
        "revoke": NothingInput,
        "renew_secret": NothingInput,
    }
    permitted = {"*": can_manage_employees}
    filterset_class = MachineFilter
    search_fields = ("name", "client__id")
    ordering = "name"
    ordering_fields = ("name", "created_at")

    @extend_schema(
        responses={
            201: inline_serializer(
                "NewMachine",
                {
                    "client_secret": serializers.CharField(help_text="Shown this once."),
                    **MachineSerializer().get_fields(),
                },
            )
        }
    )
    def create(self, request: Request) -> Response:
        """Give a program access."""
        machine, secret = machines.create_machine(by=self.caller, **self.input())
        return self.created_once(machine.pk, client_secret=secret)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a machine's name, rights or end."""
        changes = self.input()
        return self.change_locked(
            lambda each: machines.change_machine(machine_id=each.pk, by=self.caller, **changes)
        )

    @extend_schema(responses=MachineSerializer)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        """End a machine's access at once."""
        self.input()
        return self.change_locked(
            lambda each: machines.revoke_machine(machine_id=each.pk, by=self.caller)
        )

    @extend_schema(
        responses=inline_serializer("NewSecret", {"client_secret": serializers.CharField()})
    )
    @action(detail=True, methods=["post"], url_path="renew-secret")
    def renew_secret(self, request: Request, pk: str) -> Response:
        """Give a machine a new secret; the old one is void."""
        self.input()
        with transaction.atomic():
            machine_id = self._locked_object().pk
            _, secret = machines.renew_secret(machine_id=machine_id, by=self.caller)
        return self.shown_once(Response({"client_secret": secret}), "client_secret")


class AuditViewSet(ResourceViewSet):
    plural = "entries of the audit log"
    queryset = AuditEntry.objects.select_related("actor")
    serializer_class = AuditEntrySerializer
    permitted = {"*": can_manage_employees}
    filterset_class = AuditFilter
    search_fields = ("target",)
    ordering = "-at"
    ordering_fields = ("at",)
