"""What somebody wrote becomes a contact in the conversations."""

import logging

from django.db import OperationalError, transaction

from conversations.services import customer_at, record_contact
from conversations.states import Channel, Direction
from core import jobs
from customers.models import Customer
from notifications.models import InboundMessage

logger = logging.getLogger("duka.notifications")
_AT_ONCE = 500


def record_inbound(*, message: InboundMessage) -> bool:
    """Take a message down as a contact, once; return whether that went well.

    What fails here is undone alone, and tried again later: the wish in it (STOP) must count.
    """
    try:
        with transaction.atomic():
            _record(message.pk)
    except OperationalError:
        # Not its fault: the database is gone, or two waited for each other. All of it comes again.
        raise
    except Exception:
        logger.exception("inbound message %s could not be recorded as a contact", message.pk)
        return False
    return True


def record_missed_contacts() -> int:
    """Take down what is no contact yet: it failed, or is older than conversations; return how many.

    A contact that staff deleted stays so.
    """
    recorded = last = 0
    while not jobs.stopping():
        missed = InboundMessage.objects.filter(recorded=False, pk__gt=last).order_by("pk")
        found = list(missed.exclude(phone="")[:_AT_ONCE])
        if not found:
            break
        for message in found:
            recorded += record_inbound(message=message)
        last = found[-1].pk
    return recorded


def _record(key: int) -> None:
    # Held and read anew: whoever wrote it may be forgotten meanwhile.
    message = InboundMessage.objects.select_for_update(no_key=True).get(pk=key)
    if message.recorded or not message.phone:
        return
    known = Customer.objects.filter(code=message.customer).first()
    record_contact(
        channel=Channel.SMS,
        direction=Direction.IN,
        text=message.text,
        at=message.received_at,
        customer=known if message.customer else customer_at(phone=message.phone),
        phone=message.phone,
        source_id=f"inbound-{message.pk}",
    )
    message.recorded = True
    message.save(update_fields=["recorded"])
