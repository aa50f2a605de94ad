"""The registry of what can happen in the shop and be told to a customer.

An app declares its events in `signals.py`, a few lines each, and announces
them inside the transaction that makes them true. `notifications` listens to
the whole registry, so a new app's events need no change there.
"""

from collections.abc import Callable, Mapping
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
    """A named signal with the words that tell it and the variables they may use.

    `data_of` returns what fills the words for a thing by its reference ("1001"), or None where
    there is no such thing, so that a shopkeeper sees them on a real one. An app sets it in
    `receivers.py`, as models are not there yet when events are declared.
    """

    data_of: Callable[[str], Mapping[str, str] | None] | None = None

    def __init__(
        self,
        code: str,
        *,
        texts: Mapping[str, str],
        variables: Mapping[str, str],
        secret: bool = False,
        answer: bool = False,
        reply: bool = False,
    ) -> None:
        """Declare an event.

        Args:
            texts: its words by language; a shop may put others in their place.
            variables: what the words may use, and an example of each.
            secret: its words open something (a code, a link). Staff never see them, and they are
                forgotten once they are sent.
            answer: somebody asked for it this moment, so that it is sent whether or not they
                want to hear of other things.
            reply: it answers what somebody wrote, so that it is sent also to who wanted to hear
                nothing and wrote since.

        Raises:
            ValueError: the code is taken, a text uses an undeclared variable or cannot be read,
                or there is none in the default language.
        """
        super().__init__()
        self.code = code
        self.texts = dict(texts)
        self.variables = dict(variables)
        self.secret = secret
        self.answer = answer
        self.reply = reply
        for text in texts.values():
            if unknown := template_variables(text) - set(variables):
                raise ValueError(f"{code}: unknown variables {sorted(unknown)} in its text.")
        if settings.LANGUAGE_CODE not in texts:
            raise ValueError(f"{code} has no text in {settings.LANGUAGE_CODE}.")
        if code in _registry:
            raise ValueError(f"The event {code} is declared twice.")
        _registry[code] = self

    def announce(self, *, notice: Notice, **more: Any) -> None:
        """Tell every receiver, inside the caller's transaction.

        With `send`, not `send_robust`: a receiver that fails must take the
        transaction with it rather than break it quietly.
        """
        self.send(sender=type(self), event=self, notice=notice, **more)

    def text_in(self, language: str) -> tuple[str, str]:
        """Return the words in a language, or in the default one, and which it is."""
        language = language if language in self.texts else settings.LANGUAGE_CODE
        return self.texts[language], language


_registry: dict[str, Event] = {}


def all_events() -> list[Event]:
    """Return every declared event, by code."""
    return [_registry[code] for code in sorted(_registry)]


def find_event(code: str) -> Event | None:
    """Return the declared event of this code; None: nothing declares it any more."""
    return _registry.get(code)


def template_variables(text: str) -> set[str]:
    """Return the names that a text uses; `{a.b}` and `{a[0]}` count whole, so are never known."""
    names: set[str] = set()
    for _, name, spec, _ in Formatter().parse(text):
        if name is not None:
            # What follows a colon may use variables too: `{a:>{width}}`.
            names |= {name} | template_variables(spec or "")
    return names
