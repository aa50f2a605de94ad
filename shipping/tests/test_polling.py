"""Carriers are asked about what was not heard of for too long, each shipment once in that time."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from core.tests.races import at_once
from shipping import providers
from shipping.models import Carrier, News, Shipment
from shipping.services import poll_silent_shipments, polling, send_due_shipments, sending

from .factories import IN_STATUS, ShipmentFactory

pytestmark = pytest.mark.django_db
BOTH = pytest.mark.parametrize("carrier", ["courier", "parcelpost"])


def sent(fake, carrier="courier"):
    """Return one that the carrier has, and was not heard of for a day and an hour."""
    shipment = ShipmentFactory.create(carrier=carrier)
    send_due_shipments()
    fall_silent()
    return shipment


def fall_silent(hours=25):
    Shipment.objects.update(heard_at=timezone.now() - timedelta(hours=hours))


def now_of(shipment):
    return Shipment.objects.get(pk=shipment.pk)


def questions(fake):
    return [entry["number"] for entry in fake.book() if entry["call"] == "look_up"]


@BOTH
def test_what_the_carrier_knows_is_folded_in(fake, carrier):
    shipment = sent(fake, carrier)
    for name in ("waiting-for-collection", "in-transit"):
        fake.happen(carrier, shipment.number, name)

    assert poll_silent_shipments() == 1

    assert now_of(shipment).status == "in-transit"
    assert set(News.objects.values_list("source", "state")) == {("poll", "done")}
    assert poll_silent_shipments() == 0


def test_what_was_heard_of_is_not_asked_about(fake):
    shipment = sent(fake)
    fall_silent(hours=23)
    assert poll_silent_shipments() == 0
    fall_silent(hours=24)
    assert poll_silent_shipments() == 1
    assert questions(fake) == [shipment.number]


def test_one_that_stays_silent_is_asked_about_once_in_that_time(fake):
    shipment = sent(fake)
    fake.behave("look_up:*", "http:500")
    assert [poll_silent_shipments(), poll_silent_shipments()] == [1, 0]
    Shipment.objects.update(polled_at=timezone.now() - timedelta(hours=25))
    assert poll_silent_shipments() == 1

    assert questions(fake) == [shipment.number] * 2


@pytest.mark.parametrize(
    "status", ["waiting", "refused", "delivered", "failed-to-deliver", "cancelled"]
)
def test_of_what_is_not_with_a_carrier_nobody_asks(fake, status):
    IN_STATUS[status].create()
    fall_silent()

    assert (poll_silent_shipments(), questions(fake)) == (0, [])


def test_one_that_the_carrier_lost_is_for_a_person(fake):
    shipment = sent(fake, "parcelpost")
    fake.cancel(fake.find("parcelpost", shipment.number))
    poll_silent_shipments()

    row = now_of(shipment)
    assert (row.status, row.attention) == (
        "sent",
        "The carrier was asked, and knows no such shipment.",
    )


def test_what_a_person_is_to_look_at_already_stays(fake):
    shipment = sent(fake, "parcelpost")
    Shipment.objects.update(attention="Its box is torn.")
    fake.cancel(fake.find("parcelpost", shipment.number))
    poll_silent_shipments()

    assert now_of(shipment).attention == (
        "Its box is torn. The carrier was asked, and knows no such shipment."
    )


def test_a_time_that_cannot_be_takes_nothing_else_along(fake):
    shipment = sent(fake)
    fake.happen("courier", shipment.number, "waiting-for-collection", 0)
    fake.happen("courier", shipment.number, "in-transit")

    assert poll_silent_shipments() == 1

    row = now_of(shipment)
    assert (row.status, row.heard_at > timezone.now() - timedelta(hours=1)) == ("in-transit", True)


def test_after_some_seconds_other_work_has_its_turn(fake, monkeypatch):
    sent(fake)
    monkeypatch.setattr(polling, "LONGEST_RUN", 0)

    assert (poll_silent_shipments(), questions(fake)) == (0, [])


def test_a_carrier_that_is_down_is_not_asked(fake):
    shipment = sent(fake)
    Carrier.objects.update(failures=5, next_at=timezone.now() + timedelta(minutes=1))
    assert poll_silent_shipments() == 0

    assert (questions(fake), now_of(shipment).polled_at) == ([], None)


@pytest.mark.django_db(transaction=True)
def test_three_workers_ask_once_about_each(fake):
    shipments = ShipmentFactory.create_batch(12)
    send_due_shipments()
    fall_silent()

    outcomes = at_once([poll_silent_shipments] * 3)

    assert sum(outcomes) == 12
    assert sorted(questions(fake)) == sorted(each.number for each in shipments)


class TestCommand:
    @pytest.fixture(autouse=True)
    def until_later(self, fake):
        self.first, self.second = ShipmentFactory.create_batch(2)
        self.other = ShipmentFactory.create(carrier="parcelpost")
        Shipment.objects.update(due_at=timezone.now() + timedelta(hours=1))

    def statuses(self):
        return [now_of(each).status for each in (self.first, self.second, self.other)]

    def test_a_dry_run_lists_and_sends_nothing(self, fake, capsys):
        call_command("send_shipments", "--dry-run")

        said = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in said[:3]] == [
            self.first.number,
            self.second.number,
            self.other.number,
        ]
        assert said[3] == "3 would be sent."
        assert (self.statuses(), fake.book()) == (["waiting"] * 3, [])

    def test_it_sends_what_waits_for_a_batch(self, fake, capsys):
        fake.behave(self.second.number, "refuse:bad_postcode")
        call_command("send_shipments", "--carrier", "courier")

        assert self.statuses() == ["sent", "refused", "waiting"]
        assert capsys.readouterr().out.splitlines()[2:] == [
            f"{self.first.number} is sent to the carrier",
            f"{self.second.number} is refused by the carrier: It is not taken.",
        ]

    def test_only_those_that_are_named(self, fake):
        Shipment.objects.filter(pk=self.first.pk).update(due_at=timezone.now())
        call_command("send_shipments", self.second.number)

        assert self.statuses() == ["waiting", "sent", "waiting"]

    def test_what_is_to_be_tried_again_at_once_does_not_hold_it_up(
        self, fake, settings, monkeypatch
    ):
        settings.SHIPMENT_RETRY_SECONDS = [0]
        monkeypatch.setattr(sending, "LONGEST_RUN", 0.5)
        fake.behave("*", *["http:403"] * 1000, "take")
        with pytest.raises(CommandError, match=r"^Nothing was sent\.$"):
            call_command("send_shipments", self.first.number)

        assert now_of(self.first).error_code == "http_403"

    def test_where_nothing_of_it_was_sent_it_fails_after_it_said_why(self, fake, capsys):
        fake.behave("*", "refuse:bad_postcode")
        with pytest.raises(CommandError, match=r"^Nothing was sent\.$"):
            call_command("send_shipments", "--carrier", "courier")

        assert self.statuses() == ["refused", "refused", "waiting"]
        assert capsys.readouterr().out.splitlines()[2:] == [
            f"{self.first.number} is refused by the carrier: It is not taken.",
            f"{self.second.number} is refused by the carrier: It is not taken.",
        ]

    @pytest.mark.parametrize(
        ("options", "said"), [([], "Nothing waits.\n"), (["--dry-run"], "0 would be sent.\n")]
    )
    def test_with_nothing_that_waits_it_says_so(self, capsys, options, said):
        Shipment.objects.update(status="delivered")
        call_command("send_shipments", *options)

        assert capsys.readouterr().out == said

    @pytest.mark.parametrize("options", [[], ["--dry-run"]])
    def test_without_the_carriers_settings_it_names_each_and_touches_nothing(
        self, fake, settings, capsys, options
    ):
        settings.COURIER_URL = settings.PARCELPOST_USER = ""
        providers._load.cache_clear()
        before = list(Shipment.objects.order_by("pk").values())
        with pytest.raises(CommandError) as refused:
            call_command("send_shipments", *options)

        assert str(refused.value) == (
            "SHIPPING_PROVIDERS: courier needs COURIER_URL and COURIER_API_KEY.\n"
            "SHIPPING_PROVIDERS: parcelpost needs PARCELPOST_URL, PARCELPOST_USER and"
            " PARCELPOST_PASSWORD."
        )
        assert capsys.readouterr().out == ""
        assert list(Shipment.objects.order_by("pk").values()) == before
        assert fake.book() == []

    def test_in_a_terminal_without_any_carrier_it_names_what_those_that_wait_need(
        self, settings, capsys
    ):
        settings.SHIPPING_PROVIDERS = []
        settings.COURIER_URL = settings.PARCELPOST_URL = ""
        providers._load.cache_clear()
        before = list(Shipment.objects.order_by("pk").values())
        with pytest.raises(CommandError) as refused:
            call_command("send_shipments")

        assert str(refused.value) == (
            "courier needs COURIER_URL and COURIER_API_KEY.\n"
            "parcelpost needs PARCELPOST_URL, PARCELPOST_USER and PARCELPOST_PASSWORD."
        )
        assert capsys.readouterr().out == ""
        assert list(Shipment.objects.order_by("pk").values()) == before

    @pytest.mark.parametrize(
        ("configured", "those"),
        [(["courier", "parcelpost"], "courier, parcelpost"), ([], "none")],
    )
    def test_a_carrier_that_is_none_is_refused_with_those_that_are(
        self, settings, configured, those
    ):
        settings.SHIPPING_PROVIDERS = configured
        with pytest.raises(CommandError) as refused:
            call_command("send_shipments", "--carrier", "pigeon")

        assert str(refused.value) == (
            f"There is no carrier 'pigeon'. SHIPPING_PROVIDERS has: {those}."
        )

    def test_what_does_not_wait_is_named(self, fake):
        with pytest.raises(CommandError, match="Nothing waits that is called S9"):
            call_command("send_shipments", self.first.number, "S9")
        assert fake.book() == []
