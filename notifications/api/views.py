"""REST of messages, of who wants to hear from the shop, of its words and its status links."""

from collections.abc import Callable
from typing import cast

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from core.api.serializers import NothingInput
from core.api.views import ResourceViewSet
from notifications import services
from notifications.models import Consent, Message, StatusLink, Template
from notifications.permissions import (
    can_change_consents,
    can_handle_messages,
    can_manage_templates,
    can_see_consents,
    can_see_messages,
)
from notifications.querysets import TemplateQuerySet
from notifications.states import ConsentSource, MessageStatus

from .filters import ConsentFilter, MessageFilter, StatusLinkFilter, TemplateFilter
from .serializers import (
    ConsentInput,
    ConsentSerializer,
    MessageReasonInput,
    MessageSerializer,
    MyConsentInput,
    MyConsentSerializer,
    PreviewInput,
    PreviewSerializer,
    SettleInput,
    StatusLinkSerializer,
    TemplateInput,
    TemplateSerializer,
)


class MessageViewSet(ResourceViewSet):
    queryset = Message.objects.shown().for_display()
    serializer_class = MessageSerializer
    inputs = {
        "retry": MessageReasonInput,
        "cancel": MessageReasonInput,
        "settle": SettleInput,
    }
    permitted = {"list": can_see_messages, "retrieve": can_see_messages, "*": can_handle_messages}
    filterset_class = MessageFilter
    search_fields = ("to", "reference", "body")
    ordering = "-created_at"
    ordering_fields = ("created_at",)

    @extend_schema(responses=MessageSerializer)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Send a message again that failed or is parked."""
        return self._by_hand(services.retry_message)

    @extend_schema(responses=MessageSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Call off a message that waits."""
        return self._by_hand(services.call_off_message)

    @extend_schema(responses=MessageSerializer)
    @action(detail=True, methods=["post"])
    def settle(self, request: Request, pk: str) -> Response:
        """Say what became of a message of which nobody knew."""
        return self._by_hand(services.settle_message)

    def _by_hand(self, verb: Callable[..., Message]) -> Response:
        arguments = self.input()
        if "outcome" in arguments:
            arguments["outcome"] = MessageStatus(arguments["outcome"])
        return self.change_locked(
            lambda message: verb(message_id=message.pk, by=self.caller, **arguments)
        )


class ConsentViewSet(ResourceViewSet):
    queryset = Consent.objects.prefetch_related("changes__by")
    serializer_class = ConsentSerializer
    lookup_field = "phone"
    lookup_value_regex = r"\+[0-9]{7,15}"
    http_method_names = ["get", "post", "head", "options"]
    inputs = {"create": ConsentInput}
    permitted = {"list": can_see_consents, "retrieve": can_see_consents, "*": can_change_consents}
    filterset_class = ConsentFilter
    search_fields = ("phone",)
    ordering = "-changed_at"
    ordering_fields = ("changed_at",)

    def create(self, request: Request) -> Response:
        """Note whether somebody wants to hear from the shop."""
        wish = self.input()
        services.note_consent(
            phone=wish["phone"],
            opted_out=wish["opted_out"],
            source=ConsentSource.STAFF,
            detail=wish.get("reason", ""),
            by=self.caller,
        )
        return self.created(Consent.objects.get(phone=wish["phone"]).pk)


class TemplateViewSet(ResourceViewSet):
    queryset = Template.objects.with_words()
    serializer_class = TemplateSerializer
    http_method_names = ["get", "patch", "post", "head", "options"]
    inputs = {"partial_update": TemplateInput, "preview": PreviewInput}
    permitted = {"*": can_manage_templates}
    filterset_class = TemplateFilter
    search_fields = ("event",)
    ordering = "event"
    ordering_fields = ("event",)

    def get_queryset(self) -> TemplateQuerySet:
        # Asked now: apps declare their events while they load.
        return cast("TemplateQuerySet", super().get_queryset()).of_declared_events()

    def partial_update(self, request: Request, pk: str) -> Response:
        """Let an event be told in other words from now on."""
        text = self.input().get("text")
        return self.change_locked(
            lambda template: (
                text is not None
                and services.change_template(template_id=template.pk, text=text, by=self.caller)
            )
        )

    @extend_schema(responses=PreviewSerializer)
    @action(detail=True, methods=["post"])
    def preview(self, request: Request, pk: str) -> Response:
        """Show words as somebody would read them, how many SMS they take and what that cost."""
        template = self.get_object()
        preview = services.preview(template=template, **self.input())
        return Response(PreviewSerializer(preview).data)


class StatusLinkViewSet(ResourceViewSet):
    queryset = StatusLink.objects.select_related("revoked_by")
    serializer_class = StatusLinkSerializer
    http_method_names = ["get", "post", "head", "options"]
    inputs = {"revoke": NothingInput}
    permitted = {"*": can_handle_messages}
    filterset_class = StatusLinkFilter

    @extend_schema(responses=StatusLinkSerializer)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        """Let a link open nothing any more."""
        self.input()
        return self.change_locked(
            lambda link: services.revoke_link(statuslink_id=link.pk, by=self.caller)
        )


class MyMessagesView(APIView):
    permission_classes = (IsAuthenticated,)
    may_find_nothing = ("get", "put")

    @extend_schema(
        operation_id="my_messages",
        summary="Whether I hear from the shop.",
        responses=MyConsentSerializer,
        tags=["me"],
    )
    def get(self, request: Request) -> Response:
        """By SMS, at the phone number that is proved to be mine."""
        phone = services.phone_of(user=cast("User", request.user))
        return Response({"opted_out": services.is_opted_out(phone=phone)})

    @extend_schema(
        operation_id="my_messages_change",
        summary="Say whether I want to hear from the shop.",
        request=MyConsentInput,
        responses=MyConsentSerializer,
        tags=["me"],
    )
    def put(self, request: Request) -> Response:
        """The same as writing STOP or START."""
        form = MyConsentInput(data=request.data)
        form.is_valid(raise_exception=True)
        user = cast("User", request.user)
        services.note_consent(
            phone=services.phone_of(user=user),
            source=ConsentSource.CUSTOMER,
            by=user,
            **form.validated_data,
        )
        return Response(form.validated_data, status=status.HTTP_200_OK)
