"""Two thousand messages, two gateways with all that they may do, and workers that are killed.

The gateways' own books say what they were asked and what they took; the table is compared to them.
"""

import random
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import pytest
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from catalog.tests.factories import VariantFactory
from customers.tests.factories import CustomerFactory
from notifications.models import Callback, Message
from notifications.services import settle_message
from notifications.states import MessageStatus
from notifications.tasks import deliver_messages, deliver_now
from orders.services import Wanted, place_order
from tests.processes import spawn_manage
from tests.processes import wait_until as wait_until_within
from tests.servers import spawn_gateway, spawn_vonage

from .factories import MessageFactory
from .gateway import API_KEY
from .test_callbacks import KEY, report
from .vonage_gateway import API_KEY as VONAGE_KEY
from .vonage_gateway import SIGNATURE_SECRET

pytestmark = pytest.mark.django_db(transaction=True)

wait_until = partial(wait_until_within, seconds=300)

MESSAGES, ORDERS, WORKERS, KILLS = 2000, 10, 4, 6
DIED = "The worker died while the gateway was being asked."

AT, VONAGE = "africastalking", "vonage"
# The countries, and who is asked there. What is not named goes by SMS_TRANSPORT.
ROUTES = {"+254": [AT, VONAGE], "+255": [VONAGE], "+256": [AT]}
ENV = {
    "SMS_TRANSPORT": AT,
    "SMS_ROUTES": f"+254={AT},{VONAGE}; +255={VONAGE}",
    "MESSAGE_RETRY_SECONDS": "0.3,0.3",
}

# What each stand-in can do, by what it means for the message (see their docstrings). Not `hold`,
# which is `slow` for as long as a test likes; of longer than the lease is the last.
TAKES = {
    AT: ["100", "101", "102", "charset:100", "charset:101", "charset:102", "slow:0.3", "slow:3"],
    VONAGE: ["slow:0", "slow:0.3", "slow:3"],
}
_LOSES = [
    "hang",
    "drop_after",
    "drop_midway",
    "took_http:500 Oh",
    "took_http:502 Oh",
    "took_http:504",
    "took_http:408",
    "took_http:204",
    "redirect:302",
    "redirect:307",
    "body:",
    "body:[]",
    'body:{"hello": 1}',
    "text:<h1>Hello</h1>",
]
LOSES = {AT: _LOSES, VONAGE: [*_LOSES, "close_after"]}
LASTING = {
    AT: ["402", "403", "404", "406", "409", "charset:403", "invalid_sender", "dnd_409", "http:400"],
    VONAGE: ["http:400", "http:409", "http:413", "http:422"],
}
PASSING = {AT: ["407", "500", "501", "502", "charset:500", "http:403"], VONAGE: ["http:403"]}
# Not of one message alone, so that no message is ever out of tries by these.
WHOLE = {
    AT: ["401", "405", *(f"http:{status}" for status in (401, 404, 405, 429, 503))],
    VONAGE: [f"http:{status}" for status in (401, 402, 404, 405, 429, 503)],
}


@dataclass(frozen=True)
class Story:
    """What becomes of a message in a country where the gateways do this with it."""

    country: str
    at: tuple[str, ...] = ("101",)
    vonage: tuple[str, ...] = ("slow:0",)


def stories():
    """Each oddity where one gateway is all there is, and where there is another."""
    for country, name in (("+256", "at"), ("+255", "vonage")):
        gateway = {"at": AT, "vonage": VONAGE}[name]
        for each in [*TAKES[gateway], *LASTING[gateway]]:
            yield Story(country, **{name: (each,)})
        # Were one in doubt asked for again, it would be taken, and the book would tell.
        for each in [*LOSES[gateway], *PASSING[gateway], *WHOLE[gateway]]:
            yield Story(country, **{name: (each, TAKES[gateway][1])})
        yield Story(country, **{name: (PASSING[gateway][0],)})
    for each in [*LASTING[AT], *PASSING[AT], *WHOLE[AT]]:
        yield Story("+254", at=(each,))
    for each in LOSES[AT]:
        if each != "hang":  # Of which each costs a worker nine seconds.
            yield Story("+254", at=(each, "101"))
    yield Story("+254", at=("403",), vonage=("http:422",))
    yield Story("+254", at=("407",), vonage=("http:422",))
    yield Story("+254", at=("403",), vonage=("http:403",))
    yield Story("+254", at=("500", "101"), vonage=("http:403",))
    yield Story("+254", at=("407",), vonage=("close_after", "slow:0"))
    yield Story("+254", at=("403",), vonage=("drop_midway", "slow:0"))


def meaning(gateway, behaviour):
    """Return what a stand-in said with this of the message."""
    for said, behaviours in (
        ("taken", TAKES),
        ("unknown", LOSES),
        ("no", LASTING),
        ("not now", PASSING),
        ("not now", WHOLE),
    ):
        if behaviour in behaviours[gateway]:
            return said
    raise AssertionError(behaviour)


def phone(country, n):
    return f"{country}7{n:08d}"


@pytest.fixture
def gateways(transactional_db, tmp_path):
    with spawn_gateway(tmp_path) as at, spawn_vonage(tmp_path) as vonage:
        yield {AT: at, VONAGE: vonage}


@pytest.fixture
def start(gateways):
    """`start("worker")`: a process of `manage.py` that ends with the test at the latest."""
    env = gateways[VONAGE].env | gateways[AT].env | ENV
    with ExitStack() as stack:
        yield lambda *command: stack.enter_context(spawn_manage(*command, env=env))


@pytest.fixture
def shop(settings):
    """What the gateways' calls are checked by."""
    settings.SMS_GATEWAYS = {AT, VONAGE}
    settings.AFRICASTALKING_API_KEY = API_KEY
    settings.AFRICASTALKING_CALLBACK_KEY = KEY
    settings.VONAGE_API_KEY, settings.VONAGE_API_SECRET = VONAGE_KEY, "secret"
    settings.VONAGE_APPLICATION_ID = settings.VONAGE_PRIVATE_KEY = ""
    settings.VONAGE_SENDER = "DUKA"
    settings.VONAGE_SIGNATURE_SECRET = SIGNATURE_SECRET


def write_messages(chance):
    """Queue the messages, each eighth with a story; return what the gateways do with their numbers.

    They are spread out, or the gateways would be down all the time.
    """
    odd = [each for each in stories() for _ in range(2)]
    chance.shuffle(odd)
    usual = [Story(country) for country in ROUTES]
    told = [odd.pop() if odd and n % 8 == 0 else usual[n % 3] for n in range(MESSAGES)]
    assert not odd
    phones = [phone(each.country, n) for n, each in enumerate(told)]
    Message.objects.bulk_create(MessageFactory.build(to=to) for to in phones[ORDERS:])
    for _ in range(MESSAGES // 20):
        deliver_now.enqueue()
    sku = VariantFactory.create(stock=ORDERS).sku
    for to in phones[:ORDERS]:
        customer = CustomerFactory.create(phone=to)
        place_order(customer=customer, lines=[Wanted(sku=sku, quantity=1)], by=None)
    return {to: each for to, each in zip(phones, told, strict=True) if each not in usual}


def run_twice_more():
    """Have the whole outbox looked through again, as it is every two seconds anyway."""
    for _ in range(2):
        run = DBTaskResult.objects.filter(pk=deliver_messages.enqueue().id)
        wait_until(lambda run=run: run.get().status == "SUCCESSFUL")


def kill_workers(chance, workers, start):
    """Kill one after another at random moments, somewhere in the midst of it all."""
    told = Message.objects.exclude(status="queued")
    for _ in range(KILLS):
        enough = told.count() + chance.randint(50, 250)
        wait_until(lambda enough=enough: told.count() >= enough)
        time.sleep(chance.uniform(0, 0.2))
        workers.pop(chance.randrange(len(workers))).kill()
        workers.append(start("worker"))


def books_of(gateways):
    """Return by number what was asked of the gateways, in its order, and of how many of their
    clients they hung up on before they heard anything.
    """
    book, dropped = {}, 0
    entries = [entry | {"by": name} for name, each in gateways.items() for entry in each.book()]
    for entry in sorted(entries, key=lambda entry: entry["at"]):
        if entry["behaviour"] == "drop":
            dropped += 1
        else:
            book.setdefault(entry["to"], []).append(entry)
    return book, dropped


def status_by(route, answers):
    """Return what a message must be after these answers, the last of them not unheard."""
    last = answers[-1][1]
    if last in {"taken", "unknown"}:
        return {"taken": "sent", "unknown": "unknown"}[last]
    never = {name for name, said in answers if said == "no"}
    return "failed" if never == set(route) else "parked"


def test_2000_messages_through_gateways_at_their_worst_and_workers_that_are_killed(
    gateways, start, shop
):
    chance = random.Random(7)  # The moments differ from run to run all the same.
    odd = write_messages(chance)
    gateways[AT].behave_each({to: each.at for to, each in odd.items()})
    gateways[VONAGE].behave_each({to: each.vonage for to, each in odd.items()})
    for each in gateways.values():
        # Now and then it hangs up before it has heard anything.
        each.behave("connection", *(["serve"] * 120 + ["drop"]) * 4, "serve")
    start("ticker")
    workers = [start("worker") for _ in range(WORKERS)]

    kill_workers(chance, workers, start)
    unfinished = Message.objects.filter(status__in=["queued", "sending"])
    wait_until(lambda: not unfinished.exists())
    # Of those that hang the outcome may still come: each worker finishes what it has in hand.
    for worker in workers:
        worker.stop()
    Message.objects.update(due_at=timezone.now())
    start("worker")
    run_twice_more()

    book, dropped = books_of(gateways)
    rows = {row.to: row for row in Message.objects.all()}
    assert len(rows) == MESSAGES
    # Whom a worker died upon, or a gateway hung up on before it heard anything.
    died = {to for to, row in rows.items() if row.error == DIED}
    unheard = set()
    for to, row in rows.items():
        asked = book.pop(to, [])
        answers = [(each["by"], meaning(each["by"], each["behaviour"])) for each in asked]
        # Nobody was told twice, nor asked again once it was not known whether they were told.
        assert {said for _, said in answers[:-1]} <= {"no", "not now"}, (to, answers)
        assert all(each["message"] == row.body for each in asked)
        if to in died:
            assert row.status == "unknown"
            assert row.attempts - len(asked) in {0, 1}
        elif row.attempts > len(asked):
            unheard.add(to)
            assert (row.status, row.attempts) == ("unknown", len(asked) + 1)
            assert {said for _, said in answers} <= {"no", "not now"}, (to, answers)
        else:
            assert (row.status, row.attempts) == (status_by(ROUTES[to[:4]], answers), len(asked))
            assert row.transport == asked[-1]["by"]
            assert row.rounds == 2 or row.status != "parked"
            if row.status == "sent":
                assert row.transport_id == asked[-1]["id"]
    # A worker has one message in hand at a time, so each kill leaves at most one in doubt.
    assert len(died) <= KILLS
    assert len(unheard) <= dropped <= len(unheard) + len(died)
    # The gateways know of nothing that the table does not.
    assert book == {}

    # What is in doubt is settled by the gateways, where they can say which message they mean, or
    # by a person. Of one of Africa's Talking nobody here knows the id.
    unknown = [row for row in rows.values() if row.status == "unknown"]
    taken = {
        entry["to"]: entry for each in gateways.values() for entry in each.book() if entry["id"]
    }
    heard = [row for row in unknown if row.to in taken]
    by_reference = {row.pk for row in heard if row.transport == VONAGE}
    assert 0 < len(by_reference) < len(heard) < len(unknown)
    for row in heard:
        entry = taken[row.to]
        data = {"client_ref": entry["form"]["client_ref"]} if row.transport == VONAGE else {}
        answer = report(row.transport, "delivered", phone=row.to, ident=entry["id"], **data)
        assert answer.status_code == 200
    told = Callback.objects.exclude(state="new")
    wait_until(lambda: told.count() == len(heard))
    delivered = Message.objects.filter(status="delivered")
    assert set(delivered.values_list("pk", flat=True)) == by_reference
    for row in Message.objects.filter(status="unknown"):
        outcome = MessageStatus.DELIVERED if row.to in taken else MessageStatus.FAILED
        settle_message(message_id=row.pk, outcome=outcome, by=None)
    assert set(delivered.values_list("pk", flat=True)) == {row.pk for row in heard}
    assert {row.to for row in Message.objects.filter(status__in=["sent", "delivered"])} == set(
        taken
    )
