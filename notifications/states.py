"""The life of a message."""

from django.db.models import TextChoices


class MessageStatus(TextChoices):
    """Where a message stands.

    queued: waits for a worker, at first or for another try.
    sending: handed to the gateway, whose answer is awaited.
    sent: the gateway took it. failed: refused for good. parked: out of tries.
    unknown: nobody knows whether the gateway took it; never resent by itself.
    suppressed: not to be sent, for instance without a phone number.
    """

    QUEUED = "queued", "Queued"
    SENDING = "sending", "Sending"
    SENT = "sent", "Sent"
    FAILED = "failed", "Failed"
    PARKED = "parked", "Parked"
    UNKNOWN = "unknown", "Unknown"
    SUPPRESSED = "suppressed", "Suppressed"
