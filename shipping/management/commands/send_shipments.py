"""`manage.py send_shipments`: what waits for its carrier's next batch goes out now."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import clock
from shipping.checks import carriers_have_settings
from shipping.exceptions import MoveNotAllowed
from shipping.models import Shipment
from shipping.providers import provider
from shipping.services import send_due_shipments, send_now
from shipping.states import UNSURE, ShipmentStatus

NOT_SENT = UNSURE | {ShipmentStatus.CANCELLED}


class Command(BaseCommand):
    help = (
        "Send what waits: for its carrier's next batch, or for another try. Workers do so by"
        " themselves when it is due."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("numbers", nargs="*", help="Only these, such as S1001.")
        parser.add_argument("--carrier", help="Only what goes by this one, such as courier.")
        parser.add_argument("--dry-run", action="store_true", help="Only list what would be sent.")

    def handle(self, *args: Any, **options: Any) -> None:
        _refuse_without_carrier(options["carrier"])
        now = clock.now()
        waiting = Shipment.objects.waiting_until_later(now) | Shipment.objects.to_send(now)
        if options["carrier"]:
            waiting = waiting.filter(carrier__name=options["carrier"])
        if numbers := options["numbers"]:
            waiting = waiting.filter(number__in=numbers)
        found = list(waiting.select_related("order", "carrier").order_by("due_at", "pk"))
        if missing := sorted(set(numbers) - {shipment.number for shipment in found}):
            raise CommandError(f"Nothing waits that is called {', '.join(missing)}.")
        _refuse_without_settings({shipment.carrier.name for shipment in found})
        for shipment in found:
            print(
                f"{shipment.number} of order {shipment.order.number}: {shipment.service} by"
                f" {shipment.carrier.name} to {shipment.city}, due {shipment.due_at:%Y-%m-%d %H:%M}"
                f" UTC, {shipment.attempts} tries before."
            )
        if options["dry_run"]:
            print(f"{len(found)} would be sent.")
            return
        if not found:
            print("Nothing waits.")
            return
        _send(found)


def _send(found: Sequence[Shipment]) -> None:
    keys = [shipment.pk for shipment in found]
    try:
        send_now(by=None, shipment_ids=keys)
    except MoveNotAllowed as error:
        # Something happened to it this moment.
        raise CommandError(error.detail) from None
    # Each is tried once: one that is to be tried again at once would hold this up for ever.
    due = Shipment.objects.to_send(clock.now()).filter(pk__in=keys)
    while due.exists() and send_due_shipments(only=keys):
        pass
    after = Shipment.objects.in_bulk(keys)
    for shipment in found:
        now_it_is = after[shipment.pk]
        why = f": {now_it_is.error}" if now_it_is.error else ""
        print(f"{shipment.number} is {now_it_is.state.label.lower()}{why}")
    if all(shipment.status in NOT_SENT for shipment in after.values()):
        raise CommandError("Nothing was sent.")


def _refuse_without_carrier(name: str | None) -> None:
    configured = settings.SHIPPING_PROVIDERS
    if errors := carriers_have_settings(None):
        raise CommandError("\n".join(str(error.msg) for error in errors))
    if name and name not in configured:
        those = ", ".join(configured) or "none"
        raise CommandError(f"There is no carrier {name!r}. SHIPPING_PROVIDERS has: {those}.")


def _refuse_without_settings(names: set[str]) -> None:
    """Refuse where a carrier that is in no setting any more, or not yet, has things that wait."""
    lacking = []
    for name in sorted(names - set(settings.SHIPPING_PROVIDERS)):
        try:
            provider(name)
        except ImproperlyConfigured as error:
            lacking.append(str(error))
    if lacking:
        raise CommandError("\n".join(lacking))
