"""Verbs of the customer records; the only writers of their tables."""

from .forgetting import (
    Person,
    Report,
    delete_customer,
    find_people,
    forget_customer,
    forget_customer_of,
    forget_people,
    personal_data,
)
from .own import ensure_customer_of, follow_account
from .phones import CODES_WITHIN, claim_phone, remove_old_codes, send_phone_code
from .records import (
    check_customer,
    create_customer,
    create_customers,
    hold_customer,
    update_customer,
)

__all__ = [
    "CODES_WITHIN",
    "Person",
    "Report",
    "check_customer",
    "claim_phone",
    "create_customer",
    "create_customers",
    "delete_customer",
    "ensure_customer_of",
    "find_people",
    "follow_account",
    "forget_customer",
    "forget_customer_of",
    "forget_people",
    "hold_customer",
    "personal_data",
    "remove_old_codes",
    "send_phone_code",
    "update_customer",
]
