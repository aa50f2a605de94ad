"""The outbox: what customers are to be told, and how that went."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from .querysets import MessageQuerySet
from .states import MessageStatus


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
    secret = models.BooleanField(
        default=False, editable=False, help_text="Its words open something: nobody sees them."
    )
    status = models.CharField(
        max_length=16, choices=MessageStatus.choices, default=MessageStatus.QUEUED
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(db_default=Now())
    fence = models.UUIDField(null=True, editable=False)
    transport = models.CharField(max_length=32, blank=True)
    transport_id = models.CharField(
        max_length=128, blank=True, db_index=True, help_text="The gateway's id of it."
    )
    cost = models.CharField(max_length=32, blank=True, help_text="As the gateway put it.")
    error_code = models.CharField(max_length=64, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True)

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
            models.Index(fields=["subject", "reference"], name="message_by_subject"),
            models.Index(fields=["-created_at", "-id"], name="message_by_time"),
            models.Index(fields=["status", "-created_at", "-id"], name="message_by_status"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.reference} → {self.to or self.recipient}"
