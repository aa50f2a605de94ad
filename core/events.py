"""The registry of what can happen in the shop and be told to a customer.

An app declares its events in `signals.py`, a few lines each, and announces
them inside the transaction that makes them true. `notifications` listens to
the whole registry, so a new app's events need no change there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Any

from django.conf import settings
from django.dispatch import Signal


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """The person to tell. `reference` is stable (a customer's code); `phone` is E.164 or ""."""

    reference: str
    phone: str
    language: str = field(default_factory=lambda: settings.LANGUAGE_CODE)


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One occurrence of an event, for one recipient.

    `occurrence` names what happened once and for all (the id of a history
    row): the same occurrence is never told twice. `subject` and `reference`
    say what it is about (`"order"`, `"1001"`); `data` fills the template.
    """

    occurrence: str
    subject: str
    reference: str
    recipient: Recipient
    data: Mapping[str, str]


class Event(Signal):
    """A named signal with the words that tell it and the variables they may use."""

    def __init__(
        self, code: str, *, text: str, variables: Iterable[str], secret: bool = False
    ) -> None:
        """Declare an event; `secret` where its words open something (a code, a link).

        Staff never see those words, and they are forgotten once they are sent.

        Raises:
            ValueError: the code is taken, or the text uses an undeclared variable.
        """
        super().__init__()
        self.code = code
        self.text = text
        self.variables = frozenset(variables)
        self.secret = secret
        if unknown := template_variables(text) - self.variables:
            raise ValueError(f"{code}: unknown variables {sorted(unknown)} in its text.")
        if code in _registry:
            raise ValueError(f"The event {code} is declared twice.")
        _registry[code] = self

    def announce(self, *, notice: Notice, **more: Any) -> None:
        """Tell every receiver, inside the caller's transaction.

        With `send`, not `send_robust`: a receiver that fails must take the
        transaction with it rather than break it quietly.
        """
        self.send(sender=type(self), event=self, notice=notice, **more)

    def render(self, data: Mapping[str, str]) -> str:
        """Return the text with its variables filled in.

        Raises:
            KeyError: `data` lacks a variable that the text uses.
        """
        return self.text.format_map(data)


_registry: dict[str, Event] = {}


def all_events() -> list[Event]:
    """Return every declared event, by code."""
    return [_registry[code] for code in sorted(_registry)]


def template_variables(text: str) -> set[str]:
    """Return the names that a text uses; `{a.b}` and `{a[0]}` count whole, so are never known."""
    names: set[str] = set()
    for _, name, spec, _ in Formatter().parse(text):
        if name is not None:
            # What follows a colon may use variables too: `{a:>{width}}`.
            names |= {name} | template_variables(spec or "")
    return names
