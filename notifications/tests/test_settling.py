"""Settle: what becomes of a message after a try, also when the outcome comes late."""

import pytest

from notifications.models import Message
from notifications.services import claim_messages, give_up_lost_messages, settle
from notifications.transports import Accepted, Refused, Unknown

from .outbox import (
    BUSY,
    LOST,
    REFUSED,
    SENT,
    Between,
    begin,
    begun,
    claim_one,
    let_leases_pass,
    now_of,
    timeline,
)


@pytest.mark.django_db
class TestSettling:
    def test_accepted(self):
        message = begun()

        with Between() as window:
            settle(message=message, outcome=SENT)

        row = now_of(message)
        assert (row.status, row.transport_id, row.cost) == ("sent", "ATXid_9", "KES 0.8000")
        assert (row.error_code, row.error) == ("", "")
        assert window.holds(row.sent_at, plus=0)

    def test_refused_for_good(self):
        message = begun()

        settle(message=message, outcome=REFUSED)

        row = now_of(message)
        assert (row.status, row.error_code, row.error) == ("failed", "403", "invalid phone number")
        assert (row.sent_at, row.transport_id) == (None, "")

    def test_refused_for_now(self, settings):
        settings.MESSAGE_RETRY_SECONDS = [10]
        message = begun()

        with Between() as window:
            settle(message=message, outcome=BUSY)

        row = now_of(message)
        assert (row.status, row.error_code, row.error) == ("queued", "500", "gateway error")
        assert window.holds(row.due_at, plus=10)
        # In nobody's hand while it waits.
        assert (row.fence, row.rounds, row.refused_by) == (None, 1, {})

    def test_unknown(self):
        message = begun()

        settle(message=message, outcome=LOST)

        row = now_of(message)
        assert (row.status, row.error_code, row.error) == ("unknown", "unknown", "ReadTimeout")

    def test_success_after_refusals_forgets_their_error(self, settings):
        settings.MESSAGE_RETRY_SECONDS = [10]
        settle(message=begun(), outcome=BUSY)
        let_leases_pass()
        again = claim_one()
        begin(again)

        settle(message=again, outcome=SENT)

        row = now_of(again)
        assert (row.status, row.attempts, row.error_code, row.error) == ("sent", 2, "", "")

    @pytest.mark.parametrize(
        ("outcome", "expected"),
        [
            (
                Accepted(id="A\x00" + "x" * 200, cost="KES \ud800" + "9" * 50),
                {"transport_id": "A" + "x" * 127, "cost": "KES ?" + "9" * 27},
            ),
            (
                Refused(code="c" * 99, reason="a\x00b" * 200, may_pass=False),
                {"error_code": "c" * 64, "error": "ab" * 200},
            ),
            (Unknown(reason="\x00\udfff"), {"error": "?"}),
        ],
    )
    def test_words_that_the_table_cannot_hold_do_not_cost_us_the_outcome(self, outcome, expected):
        message = begun()

        settle(message=message, outcome=outcome)

        row = now_of(message)
        assert row.status in {"sent", "failed", "unknown"}
        assert {name: getattr(row, name) for name in expected} == expected


@pytest.mark.django_db
class TestFence:
    def test_what_was_begun_and_lost_becomes_unknown_when_its_lease_passes(self):
        message = begun()
        assert give_up_lost_messages() == 0
        assert now_of(message).status == "sending"
        let_leases_pass()

        assert give_up_lost_messages() == 1

        row = now_of(message)
        assert (row.status, row.error_code) == ("unknown", "unknown")
        assert row.error == "The worker died while the gateway was being asked."
        assert timeline(row) == [("begun", ""), ("lost", row.error)]
        assert claim_messages(limit=5) == []

    @pytest.mark.parametrize(
        ("outcome", "status"),
        [(SENT, "sent"), (REFUSED, "failed"), (BUSY, "queued"), (LOST, "unknown")],
    )
    @pytest.mark.parametrize("given_up", [False, True])
    def test_an_outcome_after_the_lease_still_counts(self, given_up, outcome, status):
        message = begun()
        let_leases_pass()
        if given_up:
            give_up_lost_messages()

        settle(message=message, outcome=outcome)

        assert now_of(message).status == status

    @pytest.mark.parametrize("late_outcome", [SENT, REFUSED, BUSY, LOST])
    @pytest.mark.parametrize("there", ["claimed", "begun", "sent", "unknown"])
    def test_a_late_outcome_never_overwrites_another_claim(self, settings, there, late_outcome):
        settings.MESSAGE_RETRY_SECONDS = [10, 20]
        late = begun()
        settle(message=late, outcome=BUSY)
        let_leases_pass()
        other = claim_one()
        if there != "claimed":
            begin(other)
        if there == "sent":
            settle(message=other, outcome=Accepted(id="ATXid_other"))
        if there == "unknown":
            settle(message=other, outcome=LOST)
        before = Message.objects.values().get()

        settle(message=late, outcome=late_outcome)

        assert Message.objects.values().get() == before

    @pytest.mark.parametrize("outcome", [SENT, REFUSED, BUSY, LOST])
    @pytest.mark.parametrize("first", [SENT, REFUSED])
    def test_what_is_settled_for_good_stays_so(self, first, outcome):
        message = begun()
        settle(message=message, outcome=first)
        before = Message.objects.values().get()

        settle(message=message, outcome=outcome)

        assert Message.objects.values().get() == before
