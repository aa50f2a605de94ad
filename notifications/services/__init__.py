"""Verbs of the outbox, of what gateways tell, of templates, consents and status links."""

from .callbacks import look_at_callbacks, receive_callback
from .consents import is_opted_out, may_be_told, meaning_of, note_consent
from .hand import call_off_message, retry_message, settle_message
from .links import find_link, make_link, remove_old_links, revoke_links
from .outbox import (
    begin_sending,
    claim_messages,
    deliver_due_messages,
    forget_recipient,
    give_up_lost_messages,
    move_messages,
    personal_data,
    queue_message,
    settle,
    transport_for,
    wait_for_turn,
)
from .words import change_template, check_text, preview, sync_templates, words_of, words_of_template

__all__ = [
    "begin_sending",
    "call_off_message",
    "change_template",
    "check_text",
    "claim_messages",
    "deliver_due_messages",
    "find_link",
    "forget_recipient",
    "give_up_lost_messages",
    "is_opted_out",
    "look_at_callbacks",
    "make_link",
    "may_be_told",
    "meaning_of",
    "move_messages",
    "note_consent",
    "personal_data",
    "preview",
    "queue_message",
    "receive_callback",
    "remove_old_links",
    "retry_message",
    "revoke_links",
    "settle",
    "settle_message",
    "sync_templates",
    "transport_for",
    "wait_for_turn",
    "words_of",
    "words_of_template",
]
