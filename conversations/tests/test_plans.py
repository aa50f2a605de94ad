"""Lists, pages, details and counts are answered by an index, however many rows there are."""

from urllib.parse import urlencode

import pytest
from django.db import connection, transaction

from accounts.tests.factories import StaffFactory
from customers.tests.factories import CustomerFactory
from orders.tests.factories import OrderFactory

from .rest import Caller

ROWS = 20_000
_ROWS = """
INSERT INTO conversations_client (id, name, nick_name, is_shop, updated_at)
SELECT 'a' || lpad(to_hex(n), 23, '0'), 'Client ' || n, '', false, now()
FROM generate_series(1, 20) AS n;
INSERT INTO conversations_engagement (id, client_id, name, updated_at)
SELECT 'b' || lpad(to_hex(10 * n + c), 23, '0'), 'a' || lpad(to_hex(n), 23, '0'),
    (array['SMS', 'Chat', 'Phone', 'Facebook'])[c], now()
FROM generate_series(1, 20) AS n, generate_series(1, 4) AS c;
INSERT INTO conversations_interaction (
    id, client_id, engagement_id, source_id, interaction_date, agent_name, sentiment,
    customer_id, order_id, document, custom
) SELECT
    '5' || lpad(to_hex(n), 23, '0'), 'a' || lpad(to_hex(1 + n %% 20), 23, '0'),
    'b' || lpad(to_hex(10 * (1 + n %% 20) + 1 + n / 20 %% 4), 23, '0'), 'row-' || n,
    timestamptz '2020-01-01 00:00Z' + n * interval '9 minutes', 'Agent ' || n %% 50,
    (array['Positive', 'Negative', 'Neutral'])[1 + n %% 3],
    CASE WHEN n %% 1000 = 0 THEN %(customer)s END, CASE WHEN n %% 1000 = 0 THEN %(order)s END,
    '{"_id":{"$oid":"5' || lpad(to_hex(n), 23, '0') || '"},"custom":' || custom || '}',
    custom::jsonb
FROM generate_series(1, %(rows)s) AS n, LATERAL (SELECT json_build_object(
    'csvName', 'report_' || n / 100 || '.csv',
    'key', 'v' || n,
    'kind', CASE WHEN n %% 2 = 0 THEN 'call' ELSE 'chat' END,
    'text', 'They asked about number' || n || ' and ' || repeat(md5(n::text) || ' ', 8)
)::text AS custom) AS made
"""
_CLIENT, _ENGAGEMENT = f"a{5:023x}", f"b{51:023x}"


class _Plans:
    """What PostgreSQL plans for each statement over interactions, as it is run."""

    def __init__(self) -> None:
        self.plans: list[str] = []

    def __call__(self, execute, sql, params, many, context):
        if "conversations_interaction" in sql and sql.startswith(("SELECT", "WITH")):
            execute(f"EXPLAIN {sql}", params, many, context)
            self.plans.append("\n".join(row for (row,) in context["cursor"].fetchall()))
        return execute(sql, params, many, context)


def plans_of(caller: Caller, path: str) -> tuple[str, dict]:
    with connection.execute_wrapper(collected := _Plans()):
        response = caller.get(path)
    assert response.status_code == 200, response.content
    return "\n".join(collected.plans), response.json()


def by_query(query: dict[str, str]) -> str:
    return f"/interactions?{urlencode(query)}"


@pytest.fixture
def caller(transactional_db):
    customer = CustomerFactory(code="C-1")
    order = OrderFactory(customer=customer)
    with transaction.atomic(), connection.cursor() as cursor:
        # Or VACUUM would not yet know that all may see them.
        cursor.execute("SET LOCAL synchronous_commit = on")
        cursor.execute(_ROWS, {"rows": ROWS, "customer": customer.pk, "order": order.pk})
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE conversations_interaction")
        cursor.execute("ANALYZE conversations_engagement")
    caller = Caller(StaffFactory.create(permissions=["conversations.view_interaction"]))
    caller.order = order.number
    return caller


# One test, as the rows take seconds.
@pytest.mark.slow
def test_every_question_is_answered_by_an_index(caller):
    month = {"after": "2020-02-01T00:00:00Z", "before": "2020-02-03T00:00:00Z"}
    for path, index, count in [
        ("/interactions", "interaction_by_time", 50),
        (by_query({"ordering": "interaction_date"}), "interaction_by_time", 50),
        (by_query({"client": _CLIENT}), "interaction_by_client", 50),
        (by_query({"engagement": _ENGAGEMENT}), "interaction_by_engagement", 50),
        (f"/engagements/{_ENGAGEMENT}/interactions", "interaction_by_engagement", 50),
        (by_query({"channel": "Chat"}), "interaction_by_time", 50),
        (by_query({"agent": "Agent 7"}), "interaction_by_agent_name", 50),
        (by_query({"sentiment": "Negative"}), "interaction_by_", 50),
        (by_query({"sentiment": "nothing of this"}), "interaction_by_sentiment", 0),
        (by_query({"customer": "C-1"}), "interaction_by_customer", 20),
        (by_query({"order": caller.order}), "interaction_by_order", 20),
        (by_query({"source_id": "row-777"}), "interaction_of_a_source_is_one", 1),
        (by_query(month), "interaction_by_time", 50),
        (by_query({"client": _CLIENT, **month}), "interaction_by_client", 16),
        (by_query({"custom.key": "v777"}), "interaction_by_custom", 1),
        (by_query({"custom.key": "nothing of this"}), "interaction_by_custom", 0),
        (by_query({"custom.key[in]": "v7,v77,v777"}), "interaction_by_custom", 3),
        (by_query({"custom.csvName": "report_7.csv"}), "interaction_by_custom", 50),
        (by_query({"custom.kind": "call"}), "interaction_by_custom", 50),
        (by_query({"custom.kind": "call", "client": _CLIENT}), "interaction_by_c", 50),
        (by_query({"custom.key[exists]": "true"}), "interaction_by_time", 50),
        (by_query({"search": "number777"}), "interaction_by_word", 1),
        (by_query({"search": "nothing of this"}), "interaction_by_word", 0),
        (by_query({"search": "number777", "custom.kind": "chat"}), "interaction_by_word", 1),
    ]:
        plans, body = plans_of(caller, path)
        assert "Seq Scan on conversations_interaction" not in plans, (path, plans)
        assert index in plans, (path, plans)
        assert len(body["results"]) == count, path


@pytest.mark.slow
def test_further_pages_details_and_counts_are_answered_by_an_index(caller):
    for query, index in [
        ({}, "interaction_by_time"),
        ({"client": _CLIENT}, "interaction_by_client"),
        ({"custom.csvName": "report_7.csv"}, "interaction_by_custom"),
    ]:
        following = caller.get(by_query(query)).json()["next"]
        plans, body = plans_of(caller, following)
        assert "Seq Scan on conversations_interaction" not in plans, plans
        assert index in plans, plans
        assert len(body["results"]) == 50

    plans, body = plans_of(caller, f"/interactions/5{777:023x}")
    assert "Seq Scan on conversations_interaction" not in plans, plans
    assert body["custom"]["key"] == "v777"

    for query, total in [
        ("by=day", ROWS),
        ("by=sentiment", ROWS),
        ("by=agent,channel", ROWS),
        (f"by=day&client={_CLIENT}", ROWS // 20),
        ("by=channel&custom.csvName=report_7.csv", 100),
    ]:
        plans, body = plans_of(caller, f"/interactions/counts?{query}")
        assert "Seq Scan on conversations_interaction" not in plans, (query, plans)
        assert body["total"] == total
