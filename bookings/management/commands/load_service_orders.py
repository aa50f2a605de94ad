"""`manage.py load_service_orders FILE`: takes in what was booked elsewhere, as history."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone
from rest_framework.exceptions import ValidationError

from bookings.api.serializers import ImportInput, NewServiceInput
from bookings.models import Service
from bookings.services import Order, create_service, import_booking
from bookings.services.telling import in_shop
from core.api.problems import errors_of
from core.errors import DomainError, FieldError

# Of those that one clashes with.
MOST_NAMED = 5


class Command(BaseCommand):
    help = "Load service orders from a JSON file as history, all of them or none."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--services", type=Path, help="A JSON file of services to load first; known ones stay."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.failures = 0
        with transaction.atomic():
            if options["services"]:
                self._load_services(_rows_of(options["services"]))
            self._load_orders(_rows_of(options["file"]))
            if self.failures:
                raise CommandError(f"{self.failures} rows have errors. Nothing was loaded.")

    @contextmanager
    def _errors_of(self, row: str) -> Iterator[None]:
        """Say what is wrong with a row, and go on without it."""
        try:
            with transaction.atomic():
                yield
        except (ValidationError, DomainError) as error:
            self.failures += 1
            found = errors_of(error) if isinstance(error, ValidationError) else error.errors
            for each in found:
                self.stderr.write(f"{row}{_where(each)}: {each.detail}")

    def _load_services(self, rows: list[Any]) -> None:
        loaded = known = 0
        for number, row in enumerate(rows, 1):
            with self._errors_of(f"Service {number}"):
                form = NewServiceInput(data=row)
                form.is_valid(raise_exception=True)
                data = form.validated_data
                if Service.objects.filter(pk=data.get("id", 0)).exists():
                    known += 1
                else:
                    create_service(**data)
                    loaded += 1
        print(f"{loaded} services loaded, {known} were here already.")

    def _load_orders(self, rows: list[Any]) -> None:
        loaded = known = clashing = ahead = 0
        for number, row in enumerate(rows, 1):
            with self._errors_of(f"Row {number}"):
                form = ImportInput(data=row)
                form.is_valid(raise_exception=True)
                done = import_booking(order=Order(**form.validated_data))
                if done.booking is None:
                    known += 1
                    continue
                loaded += 1
                at = in_shop(done.booking.datetime)
                if done.booking.datetime > timezone.now():
                    ahead += 1
                    print(f"{done.booking.pk} at {at} is still to come: it keeps no time free.")
                if done.clashes_with:
                    clashing += 1
                    others = ", ".join(map(str, done.clashes_with[:MOST_NAMED]))
                    more = "" if len(done.clashes_with) <= MOST_NAMED else ", …"
                    print(
                        f"{done.booking.pk} at {at} clashes with {others}{more}: kept as history."
                    )
        if self.failures:
            return
        print(
            f"{loaded} service orders loaded as history, {known} were here already."
            f" {clashing} of them clash with others; they take no time."
        )
        if ahead:
            print(f"{ahead} of them are still to come: book those that are to take their time.")


def _where(error: FieldError) -> str:
    return f", {'.'.join(map(str, error.path))}" if error.path else ""


def _rows_of(path: Path) -> list[Any]:
    try:
        # Windows writes a mark before the first character.
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{path} is no JSON: {error}.") from None
    if not isinstance(rows, list):
        raise CommandError(f"{path} is no list.")
    return rows
