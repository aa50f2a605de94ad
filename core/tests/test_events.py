import pytest
from django.db import connection, transaction

from core import events
from core.events import Event, Notice, Recipient, all_events, find_event, template_variables
from core.models import Worker
from core.sms import size_of

NOTICE = Notice(
    occurrence="1",
    subject="order",
    reference="1001",
    recipient=Recipient(reference="C1", phone="+254722000000", language="en"),
    data={"name": "{shop}", "total": "KES 5.00"},
)


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """A registry that forgets what a test declares."""
    monkeypatch.setattr(events, "_registry", dict(events._registry))


def declare(code="test.happened", text="Hello {name}", variables=("name",), **more):
    return Event(code, texts={"en": text}, variables=dict.fromkeys(variables, "x"), **more)


def test_a_declared_event_is_known_to_all_by_its_code():
    event = declare()

    codes = [each.code for each in all_events()]
    assert codes == sorted(codes)
    assert event in all_events()
    assert "order.placed" in codes


def test_a_code_can_be_declared_once():
    declare()

    with pytest.raises(ValueError, match=r"^The event test\.happened is declared twice\.$"):
        declare(text="Something else", variables=())


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("Hello {nmae}", "['nmae']"),
        ("{name} {b} {a}", "['a', 'b']"),
        ("{name.__class__}", "['name.__class__']"),
        ("{name[0]}", "['name[0]']"),
        ("{}", "['']"),
        ("{0}", "['0']"),
        ("{name!r:>{width}}", "['width']"),
    ],
)
def test_a_text_with_a_variable_that_is_not_declared_is_refused(text, unknown):
    with pytest.raises(ValueError) as error:
        declare(text=text)

    assert str(error.value) == f"test.happened: unknown variables {unknown} in its text."
    assert "test.happened" not in {each.code for each in all_events()}


def test_a_broken_text_is_refused_when_it_is_declared():
    with pytest.raises(ValueError, match="expected '}'"):
        declare(text="Hello {name")


def test_variables_of_a_text_are_found_once_each():
    assert template_variables("{a} {b} {a} {{c}} plain") == {"a", "b"}


def test_a_text_is_chosen_by_language_and_is_the_shop_s_own_where_there_is_none():
    event = Event("test.told", texts={"en": "Hello", "sw": "Habari"}, variables={})

    assert event.text_in("sw") == ("Habari", "sw")
    assert event.text_in("en") == event.text_in("fr") == ("Hello", "en")


def test_an_event_without_words_in_the_shop_s_own_language_is_refused():
    with pytest.raises(ValueError, match=r"^test\.told has no text in en\.$"):
        Event("test.told", texts={"sw": "Habari"}, variables={})


def test_an_event_is_found_by_its_code_while_something_declares_it():
    event = declare()

    assert find_event("test.happened") is event
    assert find_event("test.over") is None


def test_receivers_are_told_the_event_the_notice_and_more():
    event = declare()
    told = []

    def listen(**kwargs):
        told.append(kwargs)

    event.connect(listen)
    event.announce(notice=NOTICE, order="o")

    (told,) = told
    assert told == {
        "signal": event,
        "sender": Event,
        "event": event,
        "notice": NOTICE,
        "order": "o",
    }


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_fails_takes_the_transaction_with_it():
    event = declare()

    def fail(**_):
        raise RuntimeError("no")

    event.connect(fail)
    with pytest.raises(RuntimeError), transaction.atomic():
        Worker.objects.create(id="effect")
        event.announce(notice=NOTICE)

    assert not Worker.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_receiver_writes_inside_the_announcers_transaction():
    event = declare()
    seen = []

    def write(**_):
        seen.append(connection.in_atomic_block)
        Worker.objects.create(id="receiver")

    event.connect(write)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        event.announce(notice=NOTICE)
        1 / 0  # noqa: B018

    assert seen == [True]
    assert not Worker.objects.exists()


def test_every_event_of_the_shop_has_a_receiver_and_renders_with_its_variables():
    for event in all_events():
        assert event.receivers, event.code
        assert {"en", "sw"} <= set(event.texts), event.code
        for text in event.texts.values():
            size = size_of(text.format_map(dict.fromkeys(event.variables, "x")))
            assert (size.encoding, size.segments) == ("gsm-7", 1), (event.code, text)
