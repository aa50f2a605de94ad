"""REST of the shop's own contacts: typed in by staff, answered."""

from django.db import transaction
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from conversations import services
from conversations.models import Interaction
from conversations.permissions import can_handle_conversations
from conversations.querysets import InteractionQuerySet
from conversations.states import Channel, Direction
from core.api.serializers import InputSerializer
from customers.models import Customer
from orders.models import Order

from .serializers import ConversationInteractionSerializer, MomentField
from .views import ConversationViewSet


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A call",
            value={
                "phone": "0722 000 001",
                "channel": "phone",
                "direction": "in",
                "text": "Asked whether we have blue ones.",
            },
        )
    ]
)
class ContactInput(InputSerializer):
    text = serializers.CharField(max_length=10_000, help_text="What was said.")
    channel = serializers.ChoiceField(
        Channel.choices, default=Channel.PHONE, help_text="How; left out: by phone."
    )
    direction = serializers.ChoiceField(
        Direction.choices, default=Direction.IN, help_text="Who began; left out: the customer."
    )
    at = MomentField(required=False, help_text="When it was; left out: now.")
    customer = serializers.SlugRelatedField(
        slug_field="code",
        queryset=Customer.objects.filter(forgotten_at=None),
        required=False,
        allow_null=True,
        help_text="Code of the customer; left out: the order's, or whose the number is.",
    )
    order = serializers.SlugRelatedField(
        slug_field="number",
        queryset=Order.objects.all(),
        required=False,
        allow_null=True,
        help_text="Number of the order that it was about.",
    )
    phone = serializers.CharField(
        max_length=32, required=False, allow_blank=True, help_text="As people write it."
    )
    sentiment = serializers.CharField(
        max_length=64, required=False, allow_blank=True, help_text="How it was, in a word."
    )


@extend_schema_serializer(
    examples=[OpenApiExample("An answer", value={"text": "Yes, we have. Come by before six."})]
)
class ReplyInput(InputSerializer):
    text = serializers.CharField(
        # What it takes as SMS the service says.
        max_length=services.LONGEST_REPLY,
        help_text="At most three SMS of it.",
    )


class ContactViewSet(ConversationViewSet):
    """What goes between the shop and its customers; each is an interaction like any other."""

    queryset = Interaction.objects.for_display()
    serializer_class = ConversationInteractionSerializer
    detail_route = "interaction-detail"
    inputs = {"create": ContactInput, "reply": ReplyInput}
    permitted = {"*": can_handle_conversations}

    def get_queryset(self) -> InteractionQuerySet:
        return Interaction.objects.for_display().visible_to(self.request.user)

    @extend_schema(responses={201: ConversationInteractionSerializer})
    def create(self, request: Request, **kwargs: str) -> Response:
        """Take down a call, a visit or another contact as an interaction of the shop's own.

        It is `customer`'s; without one the order's, or whose the number is.
        """
        return self.created(services.note_contact(by=self.caller, **self.input()).pk)

    @extend_schema(responses={201: ConversationInteractionSerializer})
    def reply(self, request: Request, **kwargs: str) -> Response:
        """Answer an interaction by SMS, to the number it came from or its customer's.

        Answers the reply, which is an interaction as well. 409 `no_phone` where there is no
        number; 409 `opted_out` where they want to hear nothing and have not written since.
        """
        text = self.input()["text"]
        with transaction.atomic():
            contact = self._locked_object()
            sent = services.reply(interaction_id=contact.pk, text=text, by=self.caller)
            return self.created(sent.pk)
