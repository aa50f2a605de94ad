"""`manage.py send_test_sms`: one message to a phone, past the outbox."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import DomainError
from core.phones import parse_phone
from core.sms import size_of
from notifications.transports import Accepted, Refused, route_of, transport


class Command(BaseCommand):
    help = "Send one SMS now and say what the gateway answered. Nothing of it is stored."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("phone", help="as people write it")
        parser.add_argument("--text", default="", help="what it says")
        parser.add_argument(
            "--transport", choices=settings.SMS_TRANSPORTS, help="a gateway; else the route's first"
        )

    def handle(self, *args: Any, phone: str, text: str, **options: Any) -> None:
        text = text or f"{settings.SHOP_NAME}: this is a test."
        try:
            to = parse_phone(phone)
            name = options["transport"] or route_of(event="test", to=to)[0]
            outcome = transport(name).send(to=to, body=text, reference="test")
        except DomainError as error:
            raise CommandError(error.detail) from None
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        size = size_of(text)
        asked = f"{name}, {to}, {size.segments} SMS ({size.encoding})"
        match outcome:
            case Accepted():
                self.stdout.write(f"{asked}: taken as {outcome.id}. {outcome.cost}".rstrip())
            case Refused():
                raise CommandError(f"{asked}: refused ({outcome.code}): {outcome.reason}")
            case _:
                raise CommandError(f"{asked}: nobody knows. {outcome.reason}")
