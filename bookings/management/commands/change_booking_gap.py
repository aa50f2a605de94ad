"""`manage.py change_booking_gap RESOURCE MINUTES`: first lists what would clash."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bookings.models import Resource
from bookings.querysets import LONGEST_GAP
from bookings.services import change_gap, clashes_by
from core.errors import DomainError


class Command(BaseCommand):
    help = "Change the gap between bookings of a resource, where those to come leave room for it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("resource", help="Its code, such as default.")
        parser.add_argument("minutes", type=int)
        parser.add_argument(
            "--keep-clashing",
            action="store_true",
            help="Change it although some clash: those keep the gap that they were booked with.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Only list what would clash.")

    def handle(self, *args: Any, **options: Any) -> None:
        resource = Resource.objects.filter(code=options["resource"]).first()
        if resource is None:
            known = ", ".join(Resource.objects.values_list("code", flat=True))
            raise CommandError(f"There is no resource {options['resource']}, only {known}.")
        try:
            gap = timedelta(minutes=options["minutes"])
        except OverflowError:
            raise CommandError("That is no gap.") from None
        if not timedelta(0) < gap <= LONGEST_GAP:
            raise CommandError("A gap is 1 to 10080 minutes (seven days).")
        clashes = clashes_by(resource=resource, gap=gap)
        for clash in clashes:
            print(f"Too near to one another: {clash}.")
        print(f"{len(clashes)} would clash.")
        if options["dry_run"]:
            return
        try:
            # Once more, with the resource locked: another may have been booked meanwhile.
            change_gap(resource_id=resource.pk, gap=gap, keep=options["keep_clashing"])
        except DomainError as error:
            raise CommandError(f"{error.detail} Nothing was changed.") from None
        print(f"The gap of {resource.code} is now {options['minutes']} minutes.")
