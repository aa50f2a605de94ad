"""`manage.py load_service_orders`: history from elsewhere, the contract's samples among it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from bookings.models import Booking, Service
from notifications.models import Message

from .factories import BookingFactory, ServiceFactory

pytestmark = pytest.mark.django_db
SAMPLES = Path(__file__).parent / "samples"
ORDERS, SERVICES = SAMPLES / "service_orders.json", SAMPLES / "services.json"


def load(path, **options):
    call_command("load_service_orders", str(path), **options)


def shown():
    fields = ("pk", "datetime", "total_fee", "imported", "status", "services")
    return list(Booking.objects.order_by("pk").values_list(*fields))


MOMENT = datetime(2022, 11, 1, 11, 11, 11, 111000, tzinfo=UTC)
LOADED = [
    (223, MOMENT, 100, True, "done", 123),
    (224, MOMENT, 100, True, "done", 789),
    (225, MOMENT, 100, True, "done", 456),
]


def test_the_samples_are_loaded_though_they_clash_and_it_is_said_so(capsys):
    load(ORDERS, services=SERVICES)

    assert capsys.readouterr().out == (
        "3 services loaded, 0 were here already.\n"
        "224 at 2022-11-01 14:11 clashes with 223: kept as history.\n"
        "225 at 2022-11-01 14:11 clashes with 223, 224: kept as history.\n"
        "3 service orders loaded as history, 0 were here already."
        " 2 of them clash with others; they take no time.\n"
    )
    assert shown() == LOADED
    assert dict(Service.objects.values_list("pk", "name")) == {
        123: "Inspection",
        456: "Analysis",
        789: "Testing",
    }
    assert not Message.objects.exists()


def test_loaded_again_they_stay_as_they_are(capsys):
    load(ORDERS, services=SERVICES)
    Service.objects.filter(pk=123).update(name="Better")
    capsys.readouterr()

    load(ORDERS, services=SERVICES)

    assert capsys.readouterr().out == (
        "0 services loaded, 3 were here already.\n"
        "0 service orders loaded as history, 3 were here already."
        " 0 of them clash with others; they take no time.\n"
    )
    assert shown() == LOADED
    assert Service.objects.get(pk=123).name == "Better"


def test_of_a_file_with_errors_nothing_is_loaded_and_all_are_said(tmp_path, capsys):
    ServiceFactory.create(id=123)
    order = {"id": 1, "datetime": "2022-11-01T11:11:11Z", "services": [{"id": 123}]}
    rows = [
        order,
        order | {"id": 2, "datetime": "2022-11-01T11:11:11", "totalfee": -1},
        order | {"id": 3, "services": [{"id": 9}]},
        {},
        5,
    ]
    path = tmp_path / "orders.json"
    path.write_text(json.dumps(rows))

    with pytest.raises(CommandError) as caught:
        load(path)

    assert str(caught.value) == "4 rows have errors. Nothing was loaded."
    assert [line.split(":")[0] for line in capsys.readouterr().err.splitlines()] == [
        "Row 2, datetime",
        "Row 2, totalfee",
        "Row 3, services.0.id",
        "Row 4, id",
        "Row 4, datetime",
        "Row 4, services",
        "Row 5",
    ]
    assert not Booking.objects.exists()


def test_history_stands_beside_what_is_booked(tmp_path, capsys):
    live = BookingFactory.create(id=7)
    ServiceFactory.create(id=123)
    path = tmp_path / "orders.json"
    order = {"id": "8", "datetime": live.datetime.isoformat(), "services": [{"id": 123}]}
    path.write_text(json.dumps([order]))

    load(path)

    assert "8 at " in capsys.readouterr().out
    assert set(Booking.objects.live()) == {live}
    assert Booking.objects.get(pk=8).total_fee == 100


def test_rows_that_are_still_to_come_or_of_another_booking_are_named(tmp_path, capsys):
    live = BookingFactory.create(id=7)
    ServiceFactory.create(id=123)
    path = tmp_path / "orders.json"
    order = {"id": "8", "datetime": "2029-03-01T09:00:00Z", "services": [{"id": 123}]}
    path.write_text(json.dumps([order]), encoding="utf-8-sig")

    load(path)

    said = capsys.readouterr().out.splitlines()
    assert said[0] == "8 at 2029-03-01 12:00 is still to come: it keeps no time free."
    assert said[-1] == "1 of them are still to come: book those that are to take their time."

    path.write_text(json.dumps([{**order, "id": 7}]))
    with pytest.raises(CommandError):
        load(path)
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Row 1, id: Another booking has this id.\n")
    assert Booking.objects.get(pk=7) == live


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (None, "cannot be read: No such file or directory."),
        ("{", "is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)."),
        ("{}", "is no list."),
        ("[" * 200_000, "is no JSON: maximum recursion depth exceeded while decoding a JSON array from a unicode string."),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_refused(tmp_path, text, error):
    path = tmp_path / "orders.json"
    if text is not None:
        path.write_text(text)

    with pytest.raises(CommandError) as caught:
        load(path)

    assert str(caught.value) == f"{path} {error}"
