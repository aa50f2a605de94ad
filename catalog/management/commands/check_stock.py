"""`manage.py check_stock`: is what is on hand what the ledger says?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from catalog.models import Variant
from catalog.services import Difference, compare_stock, mend_stock


class Command(BaseCommand):
    help = (
        "Compares what is on hand with the stock ledger, names each SKU that differs, and ends"
        " with 1 where some do. With --fix the ledger is right, as nobody can change it: what is"
        " on hand becomes its sum, and two counts in the ledger tell of it. Where its sum is less"
        " than nothing, what is on hand stays, and one count makes the ledger say so. Orders may"
        " come in meanwhile."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--fix", action="store_true", help="Mend what differs.")

    def handle(self, *args: Any, fix: bool, **options: Any) -> None:
        found = wrong = 0
        for difference in compare_stock():
            found += 1
            self.stdout.write(_sentence(difference))
            wrong += not (fix and self._mend(difference))
        if wrong:
            raise CommandError("1 variant differs." if wrong == 1 else f"{wrong} variants differ.")
        self.stdout.write(f"{found} mended." if found else "On hand is what the ledger says.")

    def _mend(self, difference: Difference) -> bool:
        """Mend one variant and say so; return whether it is as it should be."""
        if difference.on_hand == difference.ledger:
            self.stdout.write(
                "  The ledger cannot be mended. Count the goods:"
                " what stands before a count is past."
            )
            return False
        try:
            variant = mend_stock(variant_id=difference.variant_id)
        except Variant.DoesNotExist:
            self.stdout.write("  Deleted meanwhile.")
        else:
            self.stdout.write(f"  Mended: {variant.stock} on hand.")
        return True


def _sentence(difference: Difference) -> str:
    words = f"{difference.sku}: {difference.on_hand} on hand, {difference.ledger} in the ledger"
    if difference.broken:
        words += f"; movement {difference.broken} does not follow from the one before"
    return f"{words}."
