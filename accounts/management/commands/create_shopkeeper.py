"""`manage.py create_shopkeeper`: a link that makes whoever opens it first a shopkeeper."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email

from accounts.services.invitations import invite
from accounts.states import Role


class Command(BaseCommand):
    help = (
        "Invite a shopkeeper: the first one, or one who is to let the others in again."
        " Prints a link; whoever opens it and signs in (or signs up) becomes a shopkeeper."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", default="", help="Also send the link to this address.")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        if email:
            try:
                validate_email(email)
            except ValidationError:
                raise CommandError(f"{email!r} is not an e-mail address.") from None
        invitation, link = invite(by=None, role=Role.SHOPKEEPER, email=email)
        self.stdout.write(link)
        if email:
            self.stderr.write(f"Also sent to {email}.")
        self.stderr.write(
            f"Open it and sign in to become a shopkeeper. It can be used once, until"
            f" {invitation.expires_at:%Y-%m-%d %H:%M} UTC."
        )
