"""Verbs of the outbox, of what gateways tell, of templates, consents and status links."""

from .callbacks import look_at_callbacks, receive_callback, remove_old_callbacks
from .consents import (
    check_may_be_answered,
    is_opted_out,
    may_be_told,
    meaning_of,
    note_consent,
    phone_of,
)
from .contacts import record_inbound, record_missed_contacts
from .examining import examine_gateways, examine_messages, reach_gateways
from .hand import call_off_message, retry_message, settle_message
from .links import find_link, make_link, remove_old_links, revoke_link
from .measuring import measure
from .outbox import (
    begin_sending,
    claim_messages,
    deliver_due_messages,
    give_up_lost_messages,
    queue_message,
    settle,
)
from .pace import next_gateway, wait_for_turn
from .people import (
    forget_recipient,
    forget_stranger,
    move_messages,
    personal_data,
    settle_callbacks,
)
from .timeline import messages_of
from .words import (
    Preview,
    change_template,
    check_text,
    preview,
    size_with_examples,
    sync_templates,
    text_of,
    words_of,
)

__all__ = [
    "Preview",
    "begin_sending",
    "call_off_message",
    "change_template",
    "check_may_be_answered",
    "check_text",
    "claim_messages",
    "deliver_due_messages",
    "examine_gateways",
    "examine_messages",
    "find_link",
    "forget_recipient",
    "forget_stranger",
    "give_up_lost_messages",
    "is_opted_out",
    "look_at_callbacks",
    "make_link",
    "may_be_told",
    "meaning_of",
    "measure",
    "messages_of",
    "move_messages",
    "next_gateway",
    "note_consent",
    "personal_data",
    "phone_of",
    "preview",
    "queue_message",
    "reach_gateways",
    "receive_callback",
    "record_inbound",
    "record_missed_contacts",
    "remove_old_callbacks",
    "remove_old_links",
    "retry_message",
    "revoke_link",
    "settle",
    "settle_callbacks",
    "settle_message",
    "size_with_examples",
    "sync_templates",
    "text_of",
    "wait_for_turn",
    "words_of",
]
