"""The life of a message, and what else can be said of it."""

from django.db.models import TextChoices


class MessageStatus(TextChoices):
    """Where a message stands.

    queued: waits for a worker, at first or for another try.
    sending: handed to the gateway, whose answer is awaited.
    sent: the gateway took it. delivered: it is on the phone.
    failed: refused for good. parked: out of tries.
    unknown: nobody knows whether the gateway took it; never resent by itself.
    suppressed: not to be sent: no phone number, opted out, called off.
    """

    QUEUED = "queued", "Queued"
    SENDING = "sending", "Sending"
    SENT = "sent", "Sent"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Failed"
    PARKED = "parked", "Parked"
    UNKNOWN = "unknown", "Unknown"
    SUPPRESSED = "suppressed", "Suppressed"


# Failures of a gateway in a row after which it is down.
FAILURES = 3


class Refusal(TextChoices):
    """How a gateway refused a message.

    lasting: for good. passing: another try could succeed. whole: as it refuses all for now.
    """

    LASTING = "lasting", "For good"
    PASSING = "passing", "For now"
    WHOLE = "whole", "With all others"


class Happening(TextChoices):
    """What happened to a message, as its timeline says it."""

    BEGUN = "begun", "Handed to the gateway"
    ACCEPTED = "accepted", "Taken by the gateway"
    REFUSED = "refused", "Refused by the gateway"
    LOST = "lost", "Nobody knows whether it was taken"
    RECEIPT = "receipt", "Reported by the gateway"
    STOPPED = "stopped", "Not sent: they opted out"
    RETRIED = "retried", "Put back by hand"
    CALLED_OFF = "called_off", "Called off by hand"
    SETTLED = "settled", "Settled by hand"


class CallbackKind(TextChoices):
    """What a gateway calls about."""

    REPORT = "report", "Delivery report"
    INBOUND = "inbound", "Inbound message"
    OPT_OUT = "opt_out", "Opt-out"


class CallbackState(TextChoices):
    """What came of a callback.

    new: stored, not looked at. done: it had its effect, or none was due.
    unmatched: its message is not known, or not yet. bad: it cannot be understood.
    """

    NEW = "new", "New"
    DONE = "done", "Done"
    UNMATCHED = "unmatched", "Unmatched"
    BAD = "bad", "Not understood"


class ConsentSource(TextChoices):
    """By what somebody's wish to hear from the shop became known."""

    MESSAGE = "message", "A message of theirs"
    GATEWAY = "gateway", "The gateway"
    CUSTOMER = "customer", "Their own data"
    STAFF = "staff", "The shop"
