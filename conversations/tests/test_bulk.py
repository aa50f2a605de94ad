"""Thousands of documents stored at once, each for itself."""

import pytest
from django.db import DataError, IntegrityError, OperationalError, connection, transaction

from conversations import services
from conversations.documents import read_interaction
from conversations.exceptions import BadDocument, IdTaken
from conversations.models import Interaction
from conversations.services import copying, storing
from core.tests.races import at_once
from customers.tests.factories import CustomerFactory
from orders.tests.factories import OrderFactory

from .factories import EngagementFactory, make_interaction
from .races import while_uncommitted

pytestmark = pytest.mark.django_db


def ident(number):
    return f"{number:024x}"


def document(engagement, number=None, more=""):
    """Return a document with that id; None: without one."""
    before = "" if number is None else f'"_id":{{"$oid":"{ident(number)}"}},'
    return read_interaction(
        f'{{{before}"engagementId":{{"$oid":"{engagement.pk}"}},'
        f'"interactionDate":{{"$date":1589630400000}}{more}}}'
    )


def create(*documents):
    return services.create_interactions(documents=documents)


def outcomes(results):
    return [each.outcome.value for each in results]


@pytest.fixture
def engagement():
    return EngagementFactory()


def test_each_document_has_its_result_in_its_place(engagement):
    make_interaction(engagement, id=ident(1))
    stored = document(engagement, 2)
    create(stored)
    gone = EngagementFactory.build(pk=ident(99))

    results = create(
        document(engagement, 5),
        document(engagement, 1),
        document(gone, 3),
        document(engagement, None, ',"customer":"nobody"'),
        stored,
        document(engagement, 4, ',"agentName":"Jo"'),
        document(engagement, None, ',"sourceId":"s1"'),
    )

    assert outcomes(results) == [
        *("created", "failed", "failed", "failed", "unchanged", "created", "created")
    ]
    ids = [each.id for each in results]
    assert ids[:6] == [ident(5), ident(1), ident(3), "", ident(2), ident(4)]
    assert Interaction.objects.get(pk=ids[6]).source_id == "s1"
    errors = [(type(each.error), [e.path for e in each.error.errors]) for each in results[1:4]]
    assert errors == [
        (IdTaken, [("_id",)]),
        (BadDocument, [("engagementId",)]),
        (BadDocument, [("customer",)]),
    ]
    assert [each.error for each in results[4:]] == [None] * 3
    assert Interaction.objects.count() == 5
    assert Interaction.objects.get(pk=ident(4)).agent_name == "Jo"


def test_nothing_is_no_trouble():
    assert create() == []


def test_the_second_of_the_same_is_unchanged_or_fails(engagement):
    results = create(
        document(engagement, 1),
        document(engagement, 1),
        document(engagement, 1, ',"custom":{}'),
        document(engagement, None, ',"sourceId":"s1"'),
        document(engagement, None, ',"sourceId":"s1"'),
        document(engagement, None, ',"sourceId":"s1","custom":{}'),
        document(engagement, 2, ',"sourceId":"s1"'),
        document(engagement),
        document(engagement),
    )

    assert outcomes(results) == [
        *("created", "unchanged", "failed", "created", "unchanged", "failed", "failed"),
        *("created", "created"),
    ]
    assert [results[place].error.errors[0].path for place in (2, 5, 6)] == [
        ("_id",),
        ("sourceId",),
        ("sourceId",),
    ]
    assert results[4].id == results[3].id
    assert Interaction.objects.count() == 4


def test_what_failed_does_not_stand_in_the_way_of_its_like(engagement):
    results = create(document(engagement, 1, ',"customer":"nobody"'), document(engagement, 1))

    assert outcomes(results) == ["failed", "created"]


def test_many_of_one_name_that_all_fail_take_no_more_statements(
    engagement, django_assert_num_queries
):
    bad = [
        document(engagement, number, ',"sourceId":"one","customer":"nobody"')
        for number in range(1, 40)
    ]
    with django_assert_num_queries(6):
        assert outcomes(create(*bad)) == ["failed"] * 39


def test_a_chain_of_names_is_stored_as_if_one_came_after_the_other(
    engagement, django_assert_num_queries
):
    # (1, a) (2, a) (2, b) (3, b) (3, c) …: each but the first shares a name with the one before.
    chain = [
        document(engagement, (place + 3) // 2, f',"sourceId":"{place // 2}"') for place in range(40)
    ]
    with django_assert_num_queries(10):
        results = create(*chain)

    assert outcomes(results) == ["created", "failed"] * 20


def test_links_are_looked_up_once_for_all(engagement, django_assert_num_queries):
    orders = [OrderFactory() for _ in range(3)]
    customers = CustomerFactory.create_batch(3)

    def batch(base, size):
        return [
            *(
                document(
                    engagement, base + n, f',"order":"{orders[n].number}","sourceId":"{base}-{n}"'
                )
                for n in range(size)
            ),
            *(
                document(EngagementFactory(), base + 10 + n, f',"customer":"{customers[n].code}"')
                for n in range(size)
            ),
        ]

    one, three = batch(0, 1), batch(100, 3)
    # Three kinds of links, two of names, COPY; and savepoints around two of them.
    with django_assert_num_queries(10):
        assert outcomes(create(*one)) == ["created"] * 2
    with django_assert_num_queries(10):
        assert outcomes(create(*three)) == ["created"] * 6
    with django_assert_num_queries(7):
        assert outcomes(create(*three)) == ["unchanged"] * 6
    assert list(
        Interaction.objects.filter(pk__gte=ident(100))
        .order_by("pk")
        .values_list("customer", "order")
    ) == [(o.customer_id, o.pk) for o in orders] + [(c.pk, None) for c in customers]


def test_many_documents_go_in_many_pieces(engagement, monkeypatch):
    monkeypatch.setattr(copying, "_CHUNK", 1000)
    odd = '\\t\\n\\\\\\"é\\u0000\\u2028'
    documents = [
        document(engagement, number, f',"custom":{{"n":{number},"x":"{odd * (number % 90)}"}}')
        for number in range(1500)
    ]

    assert set(outcomes(create(*documents))) == {"created"}

    stored = dict(Interaction.objects.values_list("pk", "document"))
    assert stored == {each.id: each.text for each in documents}
    assert set(outcomes(create(*documents))) == {"unchanged"}


def test_rows_are_stored_in_one_order_whatever_order_they_come_in(engagement):
    rows = [
        storing._row(
            document(engagement, number, more), storing.Links(engagement.client_id, None, None)
        )
        for number, more in [
            (3, ""),
            (1, ',"sourceId":"b"'),
            (2, ""),
            (4, ',"sourceId":"a"'),
        ]
    ]

    expected = [ident(4), ident(1), ident(2), ident(3)]
    assert [row.id for row in copying._in_order(rows)] == expected
    assert [row.id for row in copying._in_order(rows[::-1])] == expected


def test_no_other_constraint_is_taken_for_a_race(engagement):
    row = storing._row(document(engagement, 1), storing.Links(engagement.client_id, None, None))

    for store in (copying.copy, copying.insert):
        with pytest.raises(IntegrityError, match="is_an_object_id"), transaction.atomic():
            store([row._replace(id="x" * 24)])
        with pytest.raises(DataError, match="json"), transaction.atomic():
            store([row._replace(custom="no json")])
    assert not Interaction.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '1ms'")
    with pytest.raises(OperationalError, match="statement timeout"):
        copying.copy([row._replace(custom='{"a":"' + "a b " * 200_000 + '"}')])


def test_what_is_stored_row_by_row_is_the_same(engagement):
    links = storing.Links(engagement.client_id, CustomerFactory().pk, None)
    odd = ',"custom":{"x":"\\\\N\\t\\\\."},"agentName":"%s"'
    first, second, third = (storing._row(document(engagement, n, odd), links) for n in (1, 2, 3))

    assert copying.copy([first]) == {ident(1)}
    assert copying.copy([first, second]) == set()
    assert copying.insert([third, second, first]) == {ident(2), ident(3)}

    rows = list(Interaction.objects.order_by("pk").values("agent_name", "custom", "customer_id"))
    assert rows[0] == {
        "agent_name": "%s",
        "custom": '{"x": "\\\\N\\t\\\\."}',
        "customer_id": links.customer_id,
    }
    assert rows == [rows[0]] * 3


@pytest.mark.django_db(transaction=True)
def test_batches_at_once_that_hold_the_same_store_each_once():
    engagement = EngagementFactory()
    documents = [
        document(engagement, number if number % 2 else None, f',"sourceId":"s{number % 400}"')
        if number % 3
        else document(engagement, number)
        for number in range(400)
    ]

    batches = at_once(
        [
            lambda: create(*documents),
            lambda: create(*documents[::-1])[::-1],
            lambda: create(*documents[200:], *documents[:200]),
        ]
    )

    batches[2] = batches[2][200:] + batches[2][:200]
    for results in zip(*batches, strict=True):
        assert sorted(outcomes(results)) == ["created", "unchanged", "unchanged"]
        assert len({each.id for each in results}) == 1
    assert Interaction.objects.count() == 400


@pytest.mark.django_db(transaction=True)
def test_a_batch_whose_like_is_stored_meanwhile_stores_the_others():
    engagement = EngagementFactory()
    batch = [document(engagement, number) for number in range(20)]

    results = while_uncommitted(
        lambda: create(document(engagement, 7), document(engagement, 8, ',"custom":{}')),
        lambda: create(*batch),
    )

    expected = ["created"] * 20
    expected[7:9] = ["unchanged", "failed"]
    assert outcomes(results) == expected
    assert Interaction.objects.count() == 20


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_who_must_give_way_in_a_deadlock_begins_anew():
    engagement = EngagementFactory()
    found = []

    def batch():
        with transaction.atomic(), connection.cursor() as cursor:
            # It is the one who finds out, once we wait for it, too.
            cursor.execute("SET LOCAL deadlock_timeout = '5s'")
            return create(*(document(engagement, number) for number in (1, 2, 3)))

    def first():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL deadlock_timeout = '5min'")
        create(document(engagement, 2))

    results = while_uncommitted(
        first, batch, then=lambda: found.extend(create(document(engagement, 1)))
    )

    assert outcomes(found) == ["created"]
    assert outcomes(results) == ["unchanged", "unchanged", "created"]
    assert Interaction.objects.count() == 3


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_who_stores_row_by_row_gives_way_and_begins_anew_as_well():
    engagement = EngagementFactory()
    links = storing.Links(engagement.client_id, None, None)
    rows = [storing._row(document(engagement, number), links) for number in (1, 2, 3)]
    found = []

    def batch():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL deadlock_timeout = '5s'")
            return copying.insert(rows)

    def first():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL deadlock_timeout = '5min'")
        create(document(engagement, 2))

    results = while_uncommitted(
        first, batch, then=lambda: found.extend(create(document(engagement, 1)))
    )

    assert outcomes(found) == ["created"]
    assert results == {ident(3)}
    assert Interaction.objects.count() == 3


def test_who_must_always_give_way_gives_up(engagement, monkeypatch):
    row = storing._row(document(engagement, 1), storing.Links(engagement.client_id, None, None))
    tries = []
    # A deadlock as PostgreSQL tells it.
    statement = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$"

    def always(cursor, *args, **how):
        tries.append(1)
        cursor.execute(statement)

    monkeypatch.setattr(copying, "execute_values", always)
    with pytest.raises(OperationalError), transaction.atomic():
        copying.insert([row])
    assert len(tries) == 1 + copying._MOST_DEADLOCKS
