"""Verbs of the templates: in what words an event is told."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from string import Formatter
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

from core.errors import InvalidInput
from core.events import Event, all_events, find_event, template_variables
from core.sms import Size, size_of
from core.stored import storable
from notifications.models import Message, Template, TemplateVersion

from .links import example_link

if TYPE_CHECKING:
    from accounts.models import User

MAX_TEXT = 1000


@dataclass(frozen=True, kw_only=True)
class Words:
    """The words of an event in a language; `version` is None for those that came with it."""

    text: str
    language: str
    version: TemplateVersion | None

    def filled(self, data: Mapping[str, str]) -> str:
        """Return them with their variables filled in.

        Raises:
            KeyError: `data` lacks a variable that they use.
        """
        return fill(self.text, data)


def fill(text: str, data: Mapping[str, str]) -> str:
    """Return words with their variables filled in; one that is empty is no reason for two spaces.

    Raises:
        KeyError: `data` lacks a variable that they use.
    """
    return re.sub(" {2,}", " ", text.format_map(data)).strip()


def sync_templates() -> None:
    """Give every declared event a template in each language of the shop."""
    Template.objects.bulk_create(
        [
            Template(event=event.code, language=language)
            for event in all_events()
            for language, _ in settings.LANGUAGES
        ],
        ignore_conflicts=True,
    )


def words_of(event: Event, language: str) -> Words:
    """Return how the shop tells an event to somebody of this language.

    In their language, by the shop's words or those that came with the event; where there are none,
    in the shop's own language.
    """
    newest = TemplateVersion.objects.filter(
        template__event=event.code, template__language__in={language, settings.LANGUAGE_CODE}
    )
    versions = {
        each.template.language: [each]
        for each in newest.select_related("template")
        .order_by("template_id", "-number")
        .distinct("template_id")
    }
    for each in (language, settings.LANGUAGE_CODE):
        if words := _words_in(event, each, versions.get(each, [])):
            return words
    raise AssertionError(event.code)  # each event has words in the shop's own language


def text_of(template: Template) -> str:
    """Return the same of a template that was read `with_words`."""
    event = event_of(template.event)
    words = _words_in(event, template.language, list(template.versions.all()))
    return words.text if words else template.shop_text or event.texts[settings.LANGUAGE_CODE]


def size_with_examples(template: Template) -> Size:
    """Return what the words of now take, of a template that was read `with_words`."""
    return size_of(fill(text_of(template), _examples(event_of(template.event))))


def _words_in(event: Event, language: str, versions: list[TemplateVersion]) -> Words | None:
    """Return the words of one language, of which the newest version comes first."""
    newest = versions[0] if versions else None
    if newest is not None and newest.text:
        return Words(text=newest.text, language=language, version=newest)
    if language in event.texts:
        return Words(text=event.texts[language], language=language, version=newest)
    return None


@transaction.atomic
def change_template(*, template_id: int, text: str, by: "User | None") -> TemplateVersion:
    """Let an event be told in other words from now on; an empty text: in those that came with it.

    Raises:
        InvalidInput: it is too long, cannot be read, or uses a variable that the event has not.
    """
    template = Template.objects.select_for_update(no_key=True).get(pk=template_id)
    text = text.strip()
    check_text(template.event, text)
    newest = template.versions.order_by("-number").first()
    if newest is not None and newest.text == text:
        return newest
    number = newest.number + 1 if newest else 1
    return TemplateVersion.objects.create(template=template, number=number, text=text, by=by)


def check_text(code: str, text: str) -> None:
    """Raise `InvalidInput` at `text` where an event cannot be told in these words."""
    event = event_of(code)
    if len(text) > MAX_TEXT:
        raise InvalidInput.at("text", detail=f"At most {MAX_TEXT} characters.", code="max_length")
    if text != storable(text):
        raise InvalidInput.at("text", detail="It has characters that no SMS can hold.")
    try:
        unknown = template_variables(text) - set(event.variables)
    except ValueError:
        raise InvalidInput.at(
            "text",
            detail="A brace has no partner. Write {{ and }} for braces that are to be seen.",
            code="malformed",
        ) from None
    if unknown:
        names = ", ".join(f"{{{name}}}" for name in sorted(unknown))
        known = ", ".join(f"{{{name}}}" for name in event.variables)
        raise InvalidInput.at(
            "text", detail=f"Unknown: {names}. There are {known}.", code="unknown_variable"
        )
    # `{a!r}` shows more than its value, and `{a:>999999999}` fills the memory.
    if any(spec or how for _, _, spec, how in Formatter().parse(text)):
        raise InvalidInput.at(
            "text", detail="Name variables alone, such as {customer}.", code="malformed"
        )


def event_of(code: str) -> Event:
    """Return a declared event. Raises `InvalidInput` where there is none of this code."""
    if event := find_event(code):
        return event
    raise InvalidInput.at("event", detail="Nothing is told of this any more.", code="unknown")


@dataclass(frozen=True, kw_only=True)
class Preview:
    """Words as somebody would read them, and what they take."""

    body: str
    encoding: str
    units: int
    segments: int
    cost_amount: Decimal | None
    cost_currency: str


def preview(*, template: Template, text: str = "", reference: str = "") -> Preview:
    """Return how an event would be told.

    Args:
        text: words to try; without them, those of now.
        reference: of something real, such as an order's number; without it: with examples.

    Raises:
        InvalidInput: the words cannot be used, or nothing has this reference.
    """
    event = event_of(template.event)
    text = text or words_of(event, template.language).text
    check_text(template.event, text)
    body = fill(text, _examples(event) | (_data_of(event, reference) if reference else {}))
    size = size_of(body)
    # Of one SMS, as the gateway said it last.
    last = Message.objects.filter(cost_amount__isnull=False, segments__gt=0).order_by("-pk").first()
    amount = last.cost_amount / last.segments * size.segments if last and last.cost_amount else None
    return Preview(
        body=body,
        encoding=size.encoding,
        units=size.units,
        segments=size.segments,
        cost_amount=amount and round(amount, 6),
        cost_currency=last.cost_currency if last else "",
    )


def _examples(event: Event) -> dict[str, str]:
    """Return the event's examples, with a status link as long as those of this shop are."""
    examples = dict(event.variables)
    if "link" in examples and not event.secret:
        examples["link"] = example_link()
    return examples


def _data_of(event: Event, reference: str) -> dict[str, str]:
    """Return what fills the words for a thing of now, and what was said of it when it was told."""
    told = Message.objects.filter(event=event.code, reference=reference).order_by("-pk").first()
    said = told.data if told else {}
    now = (event.data_of(reference) or {}) if event.data_of else {}
    if not said and not now:
        raise InvalidInput.at("reference", detail="There is no such thing.", code="does_not_exist")
    return {**said, **now}
