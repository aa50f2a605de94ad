"""The outbox: what customers are to be told, how that went, and what came back."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from .querysets import CallbackQuerySet, MessageQuerySet, PaceQuerySet, TemplateQuerySet
from .states import CallbackKind, CallbackState, ConsentSource, Happening, MessageStatus


class Template(models.Model):
    """How the shop tells an event in a language; without versions, in the words that came with it.

    A row for each event and language (`services.sync_templates`).
    """

    event = models.CharField(max_length=64)
    language = models.CharField(max_length=8, choices=settings.LANGUAGES)

    # The shop's own words in its own language, where a query reads them along (`with_words`).
    shop_text: str | None

    objects = TemplateQuerySet.as_manager()

    class Meta:
        ordering = ["event", "language"]
        permissions = [("manage_templates", "Can change what messages say")]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["event", "language"], name="one_template_for_each_event_and_language"
            )
        ]

    def __str__(self) -> str:
        return f"{self.event} ({self.language})"


class TemplateVersion(models.Model):
    """Words that a template once had, or has. Never changed, never deleted.

    An empty text goes back to the words that came with the event.
    """

    template = models.ForeignKey(Template, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    text = models.TextField(max_length=1000, blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-number"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["template", "number"], name="template_has_each_version_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.template}, version {self.number}"


class Message(models.Model):
    """One thing told to one person over one channel.

    Inserted in the transaction of what happened, delivered after it by a
    worker (`notifications.services`). While a worker has it, `fence` is that
    claim's stamp and `due_at` the end of its lease.
    """

    event = models.CharField(max_length=64)
    occurrence = models.CharField(max_length=64, help_text="Which time it happened.")
    channel = models.CharField(max_length=16, default="sms")
    recipient = models.CharField(max_length=64, help_text="Code of the customer.")
    subject = models.CharField(max_length=32, help_text="Kind of thing it is about.")
    reference = models.CharField(max_length=64, help_text="Which one: an order's number.")
    to = models.CharField(max_length=16, blank=True, help_text="Phone number, E.164.")
    language = models.CharField(max_length=8)
    body = models.TextField()
    template = models.ForeignKey(
        TemplateVersion,
        null=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="messages",
        help_text="The version that it was told by; none: the words that came with the event.",
    )
    # What filled the words; of a secret message nothing.
    data = models.JSONField(default=dict, editable=False)
    segments = models.PositiveSmallIntegerField(default=0, help_text="SMS that it takes.")
    encoding = models.CharField(max_length=8, blank=True, help_text="gsm-7 or ucs-2.")
    secret = models.BooleanField(
        default=False, editable=False, help_text="Its words open something: nobody sees them."
    )
    status = models.CharField(
        max_length=16, choices=MessageStatus.choices, default=MessageStatus.QUEUED
    )
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(db_default=Now())
    fence = models.UUIDField(null=True, editable=False)
    # Gateways that refused it since its last wait, and how (`Refusal`): then the next of its route
    # is asked.
    refused_by = models.JSONField(default=dict, editable=False)
    rounds = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="How often it waited for another try."
    )
    transport = models.CharField(max_length=32, blank=True)
    transport_id = models.CharField(
        max_length=128, blank=True, db_index=True, help_text="The gateway's id of it."
    )
    cost = models.CharField(max_length=32, blank=True, help_text="As the gateway put it.")
    cost_amount = models.DecimalField(max_digits=14, decimal_places=6, null=True)
    cost_currency = models.CharField(max_length=3, blank=True, help_text="ISO 4217.")
    error_code = models.CharField(max_length=64, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["event", "occurrence", "recipient", "channel"],
                name="one_message_for_each_event_recipient_and_channel",
            ),
            models.CheckConstraint(
                condition=Q(status__in=MessageStatus.values), name="message_status_is_known"
            ),
        ]
        indexes = [
            # What workers look for; small, as most messages are done with.
            models.Index(
                fields=["due_at", "id"],
                condition=Q(status__in=[MessageStatus.QUEUED, MessageStatus.SENDING]),
                name="message_due",
            ),
            # In their order, without walking over all that was ever sent.
            models.Index(
                fields=["id"], condition=Q(status=MessageStatus.QUEUED), name="message_queue"
            ),
            models.Index(fields=["subject", "reference"], name="message_by_subject"),
            models.Index(fields=["-created_at", "-id"], name="message_by_time"),
            models.Index(fields=["status", "-created_at", "-id"], name="message_by_status"),
            models.Index(fields=["to", "-created_at", "-id"], name="message_by_phone"),
            models.Index(fields=["recipient", "-created_at", "-id"], name="message_by_recipient"),
        ]
        permissions = [("handle_message", "Can send messages again, call off and settle them")]

    def __str__(self) -> str:
        return f"{self.event} {self.reference} → {self.to or self.recipient}"

    @property
    def state(self) -> MessageStatus:
        return MessageStatus(self.status)


class MessageEvent(models.Model):
    """Something that happened to a message. Never changed; gone with its message alone."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="timeline")
    what = models.CharField(max_length=16, choices=Happening.choices)
    at = models.DateTimeField(db_default=Now())
    transport = models.CharField(max_length=32, blank=True)
    code = models.CharField(max_length=64, blank=True, help_text="The gateway's, or ours.")
    detail = models.TextField(blank=True, help_text="What the gateway said, or why.")
    cost_amount = models.DecimalField(max_digits=14, decimal_places=6, null=True)
    cost_currency = models.CharField(max_length=3, blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["pk"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(what__in=Happening.values), name="message_event_is_known"
            )
        ]

    def __str__(self) -> str:
        return self.get_what_display()


class Callback(models.Model):
    """What a gateway told us, as it came, stored before it is looked at.

    `key` says what it is about and what it says, so that a repetition is known as one.
    """

    transport = models.CharField(max_length=32)
    kind = models.CharField(max_length=16, choices=CallbackKind.choices)
    key = models.CharField(max_length=128)
    # What makes one delivery of it unique, where the gateway says so: it counts once.
    nonce = models.CharField(max_length=128, null=True)  # noqa: DJ001  many have none
    # The gateway's id of the message.
    gateway_id = models.CharField(max_length=128, blank=True)
    content_type = models.CharField(max_length=100, blank=True)
    body = models.BinaryField()
    state = models.CharField(
        max_length=16, choices=CallbackState.choices, default=CallbackState.NEW
    )
    detail = models.CharField(max_length=300, blank=True)
    message = models.ForeignKey(
        Message, null=True, on_delete=models.SET_NULL, related_name="callbacks"
    )
    received_at = models.DateTimeField(db_default=Now())

    objects = CallbackQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["transport", "kind", "key"], name="each_callback_counts_once"
            ),
            models.UniqueConstraint(
                fields=["transport", "nonce"], name="each_callback_token_counts_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"], condition=Q(state=CallbackState.NEW), name="callback_to_look_at"
            ),
            models.Index(
                fields=["transport", "gateway_id"],
                condition=Q(state=CallbackState.UNMATCHED),
                name="callback_unmatched",
            ),
            models.Index(fields=["received_at"], name="callback_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.transport}: {self.get_kind_display()}"


class InboundMessage(models.Model):
    """What somebody wrote to the shop."""

    transport = models.CharField(max_length=32)
    gateway_id = models.CharField(max_length=128)
    phone = models.CharField(max_length=16, help_text="Who wrote, E.164.")
    to = models.CharField(max_length=32, blank=True, help_text="The number they wrote to.")
    text = models.TextField(blank=True)
    customer = models.CharField(max_length=64, blank=True, help_text="Code, where they are known.")
    received_at = models.DateTimeField(db_default=Now())
    recorded = models.BooleanField(
        db_default=False,
        default=False,
        help_text="Whether it is, or was, among the conversations.",
    )

    class Meta:
        ordering = ["-pk"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["transport", "gateway_id"], name="each_inbound_message_is_kept_once"
            )
        ]
        indexes = [
            models.Index(fields=["phone", "-id"], name="inbound_by_phone"),
            models.Index(fields=["id"], condition=Q(recorded=False), name="inbound_not_recorded"),
        ]

    def __str__(self) -> str:
        return f"{self.phone}: {self.text[:40]}"


class Consent(models.Model):
    """Whether somebody wants to hear from the shop; who has no row was never asked and may."""

    phone = models.CharField(max_length=16, unique=True, help_text="E.164.")
    opted_out = models.BooleanField()
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-changed_at", "-pk"]
        default_permissions = ("view",)
        permissions = [("change_consents", "Can note who wants to hear from the shop")]

    def __str__(self) -> str:
        return f"{self.phone}: {'opted out' if self.opted_out else 'may be told'}"


class ConsentChange(models.Model):
    """How somebody's wish became known, and by whom. Kept, until they ask to be forgotten."""

    consent = models.ForeignKey(Consent, on_delete=models.CASCADE, related_name="changes")
    opted_out = models.BooleanField()
    source = models.CharField(max_length=16, choices=ConsentSource.choices)
    detail = models.CharField(max_length=300, blank=True, help_text="Their words, or why.")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["pk"]
        default_permissions = ()

    def __str__(self) -> str:
        return "opted out" if self.opted_out else "opted in"


class StatusLink(models.Model):
    """A way to look at one thing without signing in. Its token is signed, and stored nowhere."""

    subject = models.CharField(max_length=32)
    reference = models.CharField(max_length=64)
    language = models.CharField(max_length=8)
    # Signed along: so that nobody who knows the key alone makes a token of before.
    salt = models.CharField(max_length=32)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(db_index=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["-pk"]
        default_permissions = ()
        indexes = [models.Index(fields=["subject", "reference"], name="status_link_by_subject")]

    def __str__(self) -> str:
        return f"{self.subject} {self.reference}"


class Pace(models.Model):
    """When a gateway may be asked next, of all workers together, and whether it is down."""

    transport = models.CharField(primary_key=True, max_length=32)
    next_at = models.DateTimeField(db_default=Now())
    failures = models.PositiveIntegerField(default=0, help_text="In a row, of all it was asked.")
    failing_since = models.DateTimeField(null=True)
    error = models.TextField(blank=True, help_text="What the last of them said.")

    objects = PaceQuerySet.as_manager()

    class Meta:
        verbose_name = "gateway"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.transport
