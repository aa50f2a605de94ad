"""Prints messages instead of sending them: the default, so that a shop runs without a gateway."""

import logging

from notifications.states import CallbackKind

from .base import Accepted, Forged, Malformed, Outcome, Request, Told

logger = logging.getLogger("duka.sms")


class Transport:
    name = "console"
    callbacks = ()

    def send(self, *, to: str, body: str, reference: str) -> Outcome:
        logger.info("SMS to %s: %s", to, body)
        return Accepted(id=f"console-{reference}")

    def authenticate(self, request: Request) -> str:
        raise Forged("It never calls.")

    def read(self, kind: CallbackKind, request: Request) -> Told:
        raise Malformed("It never calls.")
