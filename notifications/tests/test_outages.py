"""A gateway that fails everybody is asked seldom, and costs no message a try."""

from datetime import timedelta

import pytest
from django.utils import timezone

from notifications.models import Message, Pace
from notifications.services import (
    claim_messages,
    deliver_due_messages,
    outbox,
    wait_for_turn,
)
from notifications.services.pace import Closed, Turn, can_go_out, next_gateway, note_outcome
from notifications.transports import Refused

from .factories import MessageFactory
from .outbox import BUSY, LOST, REFUSED, SENT, Between, let_leases_pass, now_of, statuses

pytestmark = pytest.mark.django_db
AT, VONAGE = "africastalking", "vonage"
DOWN = Refused(code="http_503", reason="HTTP 503", may_pass=True, whole=True)
KENYAN, TANZANIAN = "+254722000001", "+255712000001"


def pace(name=AT):
    return Pace.objects.get(transport=name)


def fail(times=3, outcome=DOWN, *, name=AT):
    """Let a gateway fail so often; once it is down, only probes ask it."""
    for number in range(times):
        note_outcome(name, outcome, Turn(probe=number >= 3))


def let_pauses_pass():
    Pace.objects.update(next_at=timezone.now())


class TestWhenItIsDown:
    @pytest.mark.parametrize("outcome", [DOWN, LOST], ids=["refuses all", "unknown"])
    def test_after_three_failures_in_a_row(self, outcome):
        fail(2, outcome)
        assert wait_for_turn(AT) == Turn()
        fail(1, outcome)

        assert (pace().failures, pace().error) == (3, outcome.reason)
        assert wait_for_turn(AT) is None
        assert wait_for_turn(VONAGE) == Turn()

    @pytest.mark.parametrize("outcome", [SENT, BUSY, REFUSED], ids=["takes it", "busy", "refuses"])
    def test_not_where_it_answered_of_a_message_in_between(self, outcome):
        fail(2)
        note_outcome(AT, outcome, Turn())
        fail(2)

        assert (pace().failures, wait_for_turn(AT)) == (2, Turn())

    @pytest.mark.parametrize(
        ("failures", "seconds"), [(3, 2), (4, 4), (5, 8), (7, 32), (8, 60), (40, 60)]
    )
    def test_it_is_asked_again_after_growing_pauses(self, failures, seconds):
        fail(failures - 1)

        with Between() as window:
            note_outcome(AT, DOWN, Turn(probe=failures > 3))

        assert pace().failures == failures
        assert window.holds(pace().next_at, plus=seconds)

    def test_what_was_under_way_when_it_went_down_does_not_lengthen_the_pause(self):
        fail(3)
        before = pace()

        note_outcome(AT, DOWN, Turn())

        assert (pace().failures, pace().next_at) == (3, before.next_at)

    def test_one_message_at_a_time_asks_whether_it_is_back(self):
        fail(3)
        let_pauses_pass()

        assert [wait_for_turn(AT), wait_for_turn(AT)] == [Turn(probe=True), None]

    def test_it_is_back_as_soon_as_it_answers(self, settings):
        fail(5)
        let_pauses_pass()
        note_outcome(AT, SENT, wait_for_turn(AT))

        row = pace()
        assert (row.failures, row.failing_since, row.error) == (0, None, "")
        assert [wait_for_turn(AT), wait_for_turn(AT)] == [Turn(), Turn()]

    def test_back_again_it_keeps_to_its_rate(self, settings):
        settings.SMS_RATES = {AT: 0.1}
        fail(3)
        let_pauses_pass()
        with Between() as window:
            note_outcome(AT, SENT, wait_for_turn(AT))

        assert window.holds(pace().next_at, plus=10)

    def test_since_when_is_kept(self):
        fail(1)
        first = pace().failing_since
        fail(3)

        assert pace().failing_since == first


class TestMessages:
    def test_those_that_asked_it_lose_no_try_and_wait_for_the_next_of_them(self, gateway):
        gateway.behave("*", "http:503")
        messages = MessageFactory.create_batch(5)

        assert deliver_due_messages() == 3

        rows = [now_of(each) for each in messages]
        assert [(row.status, row.rounds, row.fence) for row in rows] == [("queued", 0, None)] * 5
        assert [row.attempts for row in rows] == [1, 1, 1, 0, 0]
        # The third was told of a pause: it is due when another has asked.
        assert rows[2].due_at - pace().next_at == timedelta(seconds=1)
        assert deliver_due_messages() == 0

    def test_one_that_it_chokes_on_does_not_stop_the_others(self, gateway):
        first, *_ = MessageFactory.create_batch(3)
        gateway.behave(first.to, "http:503")
        fail(3)
        let_pauses_pass()

        assert deliver_due_messages() == 1
        assert now_of(first).due_at > pace().next_at
        let_pauses_pass()
        assert deliver_due_messages() == 2

        assert statuses() == ["queued", "sent", "sent"]

    def test_several_that_it_chokes_on_do_not_stop_the_others_for_ever(self, gateway):
        first, second, third = MessageFactory.create_batch(3)
        gateway.behave(first.to, "http:503")
        gateway.behave(second.to, "405")
        fail(3)
        while now_of(third).status == "queued":
            let_pauses_pass()
            let_leases_pass()
            assert deliver_due_messages() > 0

        # Each of them asked as often as is fair to the oldest.
        asked = [entry["to"] for entry in gateway.book()]
        assert asked[:33] == [first.to] * 16 + [second.to] * 16 + [third.to]

    def test_one_that_it_refuses_though_it_takes_others_uses_up_its_tries(self, gateway, settings):
        settings.MESSAGE_RETRY_SECONDS = [60, 60]
        poison = MessageFactory.create()
        gateway.behave(poison.to, "405")
        seen = []
        for _ in range(4):
            MessageFactory.create()
            deliver_due_messages()
            row = now_of(poison)
            seen.append((row.status, row.attempts, row.rounds))
            let_leases_pass()

        assert seen == [("queued", 1, 0), ("queued", 2, 1), ("queued", 3, 2), ("parked", 4, 2)]

    def test_they_go_out_oldest_first_once_it_is_back(self, gateway):
        messages = MessageFactory.create_batch(6)
        gateway.behave("*", "http:503")
        deliver_due_messages()
        let_pauses_pass()
        deliver_due_messages()
        gateway.behave("*", "101")
        let_pauses_pass()
        let_leases_pass()
        asked = len(gateway.book())

        assert deliver_due_messages() == 6

        assert [entry["to"] for entry in gateway.book()[asked:]] == [each.to for each in messages]
        assert {row.rounds for row in Message.objects.all()} == {0}

    def test_they_are_never_parked_by_it(self, gateway, settings):
        settings.MESSAGE_RETRY_SECONDS = []
        gateway.behave("*", "http:401")
        message = MessageFactory.create()
        for _ in range(6):
            deliver_due_messages()
            let_pauses_pass()
            let_leases_pass()

        row = now_of(message)
        assert (row.status, row.attempts, row.error_code) == ("queued", 6, "http_401")

    def test_one_that_is_hung_upon_makes_few_of_them_unknown(self, gateway):
        gateway.behave("*", "drop_after")
        MessageFactory.create_batch(20)

        assert deliver_due_messages() == 3

        assert statuses() == ["unknown"] * 3 + ["queued"] * 17

    def test_those_of_another_gateway_go_out(self, gateway, settings):
        settings.SMS_ROUTES = [("+255", ["console"])]
        fail(3)
        MessageFactory.create_batch(30, to=KENYAN)
        MessageFactory.create(to=TANZANIAN)

        assert deliver_due_messages() == 1

        assert statuses() == ["queued"] * 30 + ["sent"]
        assert not Message.objects.filter(status="queued", fence__isnull=False).exists()

    def test_where_the_route_has_another_gateway_it_is_asked_instead(
        self, gateway, vonage, settings
    ):
        settings.SMS_ROUTES = [("+254", [AT, VONAGE])]
        fail(3)
        MessageFactory.create(to=KENYAN)

        assert deliver_due_messages() == 1

        assert (statuses(), len(vonage.book()), gateway.book()) == (["sent"], 1, [])

    def test_one_that_another_refused_for_good_waits_for_it(self, gateway, vonage, settings):
        settings.SMS_ROUTES = [("+254", [AT, VONAGE])]
        gateway.behave("*", "403")
        fail(3, name=VONAGE)
        message = MessageFactory.create(to=KENYAN)

        assert deliver_due_messages() == 1
        row = now_of(message)
        assert (row.status, row.refused_by, row.rounds) == ("queued", {AT: "lasting"}, 0)
        let_leases_pass()
        assert deliver_due_messages() == 0
        let_pauses_pass()
        assert deliver_due_messages() == 1

        assert (now_of(message).status, now_of(message).transport) == ("sent", VONAGE)

    def test_one_that_another_refused_for_now_tries_that_again(self, gateway, vonage, settings):
        settings.SMS_ROUTES = [("+254", [AT, VONAGE])]
        settings.MESSAGE_RETRY_SECONDS = [600]
        gateway.behave("*", "500", "101")
        fail(3, name=VONAGE)
        message = MessageFactory.create(to=KENYAN)

        assert deliver_due_messages() == 1
        row = now_of(message)
        assert (row.status, row.refused_by, row.rounds) == ("queued", {}, 1)
        let_leases_pass()
        assert deliver_due_messages() == 1

        assert (now_of(message).status, now_of(message).transport) == ("sent", AT)

    def test_a_probe_that_does_not_come_about_leaves_its_turn_to_another(self, gateway, settings):
        fail(3)
        let_pauses_pass()
        message = MessageFactory.create()
        # Claimed by another, whose lease is over when it is this one's turn.
        [claimed] = claim_messages(limit=1)
        let_leases_pass()
        assert claimed.pk == message.pk
        assert outbox._deliver(claimed, AT, patience=0) is False
        assert wait_for_turn(AT) == Turn(probe=True)


# Each row: rules, what is closed, what has refused it → whether one to Kenya can go out, by whom.
ROUTES = [
    ([], {}, {}, AT),
    ([], {"down": {AT}}, {}, None),
    ([], {"full": {AT}}, {}, None),
    ([], {"down": {VONAGE}}, {}, AT),
    ([("+254", [VONAGE])], {"down": {AT}}, {}, VONAGE),
    ([("+255", [VONAGE])], {"down": {AT}}, {}, None),
    ([("+254", [VONAGE]), ("*", [AT])], {"down": {VONAGE}}, {}, None),
    ([("order.*", [VONAGE])], {"down": {AT}}, {}, VONAGE),
    ([("order.placed", [VONAGE])], {"full": {AT}}, {}, VONAGE),
    ([("order.accepted", [VONAGE])], {"down": {AT}}, {}, None),
    ([("orderXplaced", [VONAGE])], {"down": {AT}}, {}, None),
    ([("+254", [AT, VONAGE])], {"down": {AT}}, {}, VONAGE),
    ([("+254", [AT, VONAGE])], {"full": {AT}}, {}, None),
    ([("+254", [AT, VONAGE])], {"full": {AT}}, {AT: "lasting"}, VONAGE),
    ([("+254", [AT, VONAGE])], {"full": {VONAGE}}, {AT: "passing"}, None),
    ([("+254", [AT, VONAGE])], {"down": {AT}, "full": {VONAGE}}, {}, None),
    ([("+254", [AT, VONAGE])], {"down": {VONAGE}}, {AT: "passing"}, None),
    ([("+254", [AT, VONAGE])], {"down": {AT, VONAGE}}, {}, None),
    ([("+254", [AT])], {"down": {VONAGE}}, {AT: "lasting"}, AT),
    ([("+254", [AT])], {"down": {AT}}, {AT: "lasting"}, None),
]


@pytest.mark.parametrize(("rules", "closed", "refused_by", "asked"), ROUTES)
def test_what_is_claimed_is_what_a_gateway_can_be_asked_of(
    settings, rules, closed, refused_by, asked
):
    settings.SMS_TRANSPORT, settings.SMS_ROUTES = AT, rules
    message = MessageFactory.create(to=KENYAN, refused_by=refused_by)
    closed = Closed(**closed)

    found = list(Message.objects.filter(can_go_out(closed)))

    assert found == ([message] if asked else [])
    if asked:
        assert next_gateway(message, down=closed.down) == asked
