"""Verbs of shipments and standing orders, the only writers of their tables."""

from .attention import settle_attention
from .carriers import active_carrier, next_cut_off, sync_carriers, update_carrier
from .coming import announce_coming, find_by_skip_link, skip_link
from .examining import examine_carriers, reach_carriers
from .life import (
    end_standing_order,
    how_it_stands,
    pause_standing_order,
    resume_standing_order,
    skip_date,
)
from .measuring import measure
from .news import fold, look_at_news, receive_news, remove_old_news, replay_news
from .notices import data_of_standing_order, said_total
from .of_customer import shipments_of, standing_orders_of
from .own import (
    change_as_allowed,
    create_own,
    end_as_allowed,
    pause_as_allowed,
    resume_as_allowed,
    skip_as_allowed,
)
from .polling import poll_silent_shipments
from .preparing import (
    MAX_PARCELS,
    address_of_order,
    call_off_shipments,
    cancel_shipment,
    edit_shipment,
    prepare_shipment,
    send_now,
    send_shipment,
    shippable,
)
from .preview import Coming, preview, preview_new
from .quoting import quotes_for
from .records import forget_customer, move_standing_orders, personal_data
from .running import retry_waiting, run_standing_orders, ship_accepted
from .sending import cancel_asked, send_due_shipments
from .standing import MAX_COUNT, MAX_EVERY, address_of, change_standing_order, create_standing_order
from .status import parts_of_order, status_page
from .telling import data_of_number, label_of, tell

__all__ = [
    "MAX_COUNT",
    "MAX_EVERY",
    "MAX_PARCELS",
    "Coming",
    "active_carrier",
    "address_of",
    "address_of_order",
    "announce_coming",
    "call_off_shipments",
    "cancel_asked",
    "cancel_shipment",
    "change_as_allowed",
    "change_standing_order",
    "create_own",
    "create_standing_order",
    "data_of_number",
    "data_of_standing_order",
    "edit_shipment",
    "end_as_allowed",
    "end_standing_order",
    "examine_carriers",
    "find_by_skip_link",
    "fold",
    "forget_customer",
    "how_it_stands",
    "label_of",
    "look_at_news",
    "measure",
    "move_standing_orders",
    "next_cut_off",
    "parts_of_order",
    "pause_as_allowed",
    "pause_standing_order",
    "personal_data",
    "poll_silent_shipments",
    "prepare_shipment",
    "preview",
    "preview_new",
    "quotes_for",
    "reach_carriers",
    "receive_news",
    "remove_old_news",
    "replay_news",
    "resume_as_allowed",
    "resume_standing_order",
    "retry_waiting",
    "run_standing_orders",
    "said_total",
    "send_due_shipments",
    "send_now",
    "send_shipment",
    "settle_attention",
    "ship_accepted",
    "shipments_of",
    "shippable",
    "skip_as_allowed",
    "skip_date",
    "skip_link",
    "standing_orders_of",
    "status_page",
    "sync_carriers",
    "tell",
    "update_carrier",
]
