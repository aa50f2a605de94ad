import base64
import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.core.signing import Signer
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.models import Worker
from core.tests.rest import problem_of

pytestmark = [pytest.mark.django_db, pytest.mark.urls("core.tests.probe")]

NOT_A_CURSOR = {
    "title": "Bad Request",
    "detail": "The query has parameters that are unknown or wrong.",
    "code": "invalid_parameter",
    "errors": [
        {
            "parameter": "cursor",
            "code": "invalid",
            "detail": "Not a cursor of this list in this ordering; start at the first page.",
        }
    ],
}


@pytest.fixture
def customers(model):
    """A hundred of the same name, coded 00 to 99 in the order of their keys."""
    customer = model("customers.Customer")
    return customer.objects.bulk_create(
        customer(code=f"{n:02}", name="Same", email="a@example.com") for n in range(100)
    )


def page(api, url):
    parts = urlsplit(url)
    response = api.get(f"{parts.path.removeprefix('/api/v1')}?{parts.query}")
    assert response.status_code == 200
    return response.json()


def codes(body, field="code"):
    return [each[field] for each in body["results"]]


def walk(api, url, link="next", field="code"):
    """Follow the links; return the pages, each as the list of its codes, and the last body."""
    pages = []
    while url:
        body = page(api, url)
        pages.append(codes(body, field))
        url = body[link]
    return pages, body


def all_of(pages):
    return list(chain.from_iterable(pages))


@pytest.mark.parametrize("ordering", ["name", "-name"])
def test_a_hundred_of_the_same_name_come_once_each_forwards_and_backwards(api, customers, ordering):
    expected = [customer.code for customer in customers]
    if ordering == "-name":
        expected.reverse()

    forwards, last = walk(api, f"/customers/?ordering={ordering}&page_size=7")
    backwards, first = walk(api, last["previous"], "previous")

    assert [len(each) for each in forwards] == [7] * 14 + [2]
    assert all_of(forwards) == expected
    assert [len(each) for each in backwards] == [7] * 14
    assert all_of(reversed(backwards)) == expected[:98]
    assert first["previous"] is None


def test_the_first_and_the_last_page_have_no_link_beyond_them(api, customers):
    first = page(api, "/customers/?page_size=60")
    last = page(api, first["next"])
    back = page(api, last["previous"])

    assert (len(first["results"]), first["previous"]) == (60, None)
    assert (len(last["results"]), last["next"]) == (40, None)
    assert codes(back) == codes(first)
    assert (back["previous"], back["next"]) == (None, first["next"])


def test_a_list_of_exactly_one_page_has_no_links(api, customers):
    assert page(api, "/customers/?page_size=100") | {"results": []} == {
        "next": None,
        "previous": None,
        "results": [],
    }
    assert page(api, "/orders/") == {"next": None, "previous": None, "results": []}


def test_a_page_holds_fifty_unless_told_otherwise(api, customers):
    assert len(page(api, "/customers/")["results"]) == 50
    assert len(page(api, "/customers/?page_size=1")["results"]) == 1
    assert len(page(api, "/customers/?page_size=200")["results"]) == 100


def test_links_are_absolute_and_keep_the_other_parameters(api, customers):
    body = page(api, "/customers/?search=same&page_size=3&count=true&ordering=-name")
    link = urlsplit(body["next"])

    assert f"{link.scheme}://{link.netloc}{link.path}" == "http://testserver/api/v1/customers/"
    parameters = parse_qs(link.query)
    assert parameters.pop("cursor")
    assert parameters == {
        "search": ["same"],
        "page_size": ["3"],
        "count": ["true"],
        "ordering": ["-name"],
    }


def test_rows_that_come_and_go_between_pages_neither_repeat_nor_hide_others(api, customers, model):
    customer = model("customers.Customer")

    def add(code, name):
        return customer.objects.create(code=code, name=name, email="a@example.com")

    first = page(api, "/customers/?page_size=10")
    add("before", "Earlier")
    add("after", "Tame")
    customer.objects.filter(code__in=["03", "09", "10", "11"]).delete()
    second = page(api, first["next"])
    customer.objects.filter(code__in=codes(second)).delete()
    third = page(api, second["next"])
    back = page(api, third["previous"])

    assert codes(first) == [f"{n:02}" for n in range(10)]
    assert codes(second) == [f"{n:02}" for n in range(12, 22)]
    assert codes(third) == [f"{n:02}" for n in range(22, 32)]
    assert codes(back) == ["before", "00", "01", "02", "04", "05", "06", "07", "08"]
    assert back["previous"] is None
    assert codes(page(api, back["next"])) == codes(third)


def test_a_row_whose_place_changes_is_found_at_its_new_place(api, customers, model):
    first = page(api, "/customers/?page_size=90")
    model("customers.Customer").objects.filter(code="00").update(name="Zoe")

    assert codes(page(api, first["next"])) == [f"{n:02}" for n in range(90, 100)] + ["00"]


def test_times_are_told_apart_to_the_microsecond(api, customers, model):
    customer = model("customers.Customer")
    start = datetime(2026, 3, 29, 1, 59, 59, 999_998, tzinfo=UTC)
    for n, each in enumerate(customers):
        customer.objects.filter(pk=each.pk).update(
            created_at=start + timedelta(microseconds=n // 3)
        )

    forwards, last = walk(api, "/customers/?ordering=-created_at&page_size=4")
    backwards, _ = walk(api, last["previous"], "previous")

    in_time = [customer.code for customer in customers]
    assert all_of(forwards) == in_time[::-1]
    assert all_of(reversed(backwards)) == in_time[:3:-1]


def test_prices_and_names_in_any_script_are_followed(api, model):
    product = model("catalog.Product").objects.create(name="P", slug="p")
    variant = model("catalog.Variant")
    prices = [Decimal(n) / 100 for n in (0, 5, 5, 10, 999_999_999_999, 1000)]
    variant.objects.bulk_create(
        variant(product=product, sku=f"{n} — é'\"%\\ 😀", price=price)
        for n, price in enumerate(prices)
    )

    by_price, _ = walk(api, "/variants/?ordering=price&page_size=1", field="price")
    by_sku, _ = walk(api, "/variants/?ordering=-sku&page_size=1", field="sku")

    assert all_of(by_price) == ["0.00", "0.05", "0.05", "0.10", "10.00", "9999999999.99"]
    assert all_of(by_sku) == [f"{n} — é'\"%\\ 😀" for n in (5, 4, 3, 2, 1, 0)]


def test_a_view_that_names_no_ordering_is_ordered_by_key_newest_first(api):
    Worker.objects.bulk_create(Worker(id=f"w{n:02}") for n in range(10))

    forwards, last = walk(api, "/workers/?page_size=4", field="id")
    backwards, _ = walk(api, last["previous"], "previous", field="id")

    assert forwards == [
        ["w09", "w08", "w07", "w06"],
        ["w05", "w04", "w03", "w02"],
        ["w01", "w00"],
    ]
    assert backwards == [["w05", "w04", "w03", "w02"], ["w09", "w08", "w07", "w06"]]


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("query", ["", "&ordering=-name", "&search=same"])
def test_a_page_takes_one_statement_and_a_count_one_more(api, customers, number, query):
    cursor = page(api, f"/customers/?page_size=5{query}")["next"].rpartition("cursor=")[2]

    def statements(more):
        with CaptureQueriesContext(connection) as queries:
            page(api, f"/customers/?page_size={number}{query}{more}")
        return [each["sql"] for each in queries if "customers_customer" in each["sql"]]

    assert len(statements("")) == 1
    assert len(statements(f"&cursor={cursor.partition('&')[0]}")) == 1
    assert len(statements("&count=true")) == 2
    assert "OFFSET" not in "".join(statements(f"&cursor={cursor.partition('&')[0]}"))


def test_a_deep_page_is_found_by_the_index(api, customers):
    url = page(api, "/customers/?page_size=50")["next"]
    with CaptureQueriesContext(connection) as queries:
        page(api, url)
    sql = next(each["sql"] for each in queries if "customers_customer" in each["sql"])

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute(f"EXPLAIN {sql}")
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "Index Scan using customer_by_name" in plan
    assert "Index Cond: ((name)::text >= 'Same'::text)" in plan


def test_count_is_of_all_rows_that_the_filters_leave(api, customers, model):
    model("customers.Customer").objects.filter(code__lt="10").update(name="Other")

    assert page(api, "/customers/?count=true&page_size=1")["count"] == 100
    assert page(api, "/customers/?count=true&search=other&page_size=1")["count"] == 10
    assert "count" not in page(api, "/customers/?count=false")
    second = page(api, page(api, "/customers/?count=true&page_size=60")["next"])
    assert (second["count"], len(second["results"])) == (100, 40)


@pytest.mark.parametrize(
    "size",
    [
        "0",
        "-1",
        "201",
        "1.0",
        "",
        "ten",
        "+5",
        " 5",
        "５",
        "1e1",
        "000000001999",
        "1" * 5000,
        "0x5",
    ],
)
def test_a_page_size_out_of_bounds_is_a_400(api, customers, size):
    response = api.get(f"/customers/?page_size={quote(size)}")

    assert response.status_code == 400
    assert problem_of(response)["errors"] == [
        {"parameter": "page_size", "code": "invalid", "detail": "Must be 1 to 200."}
    ]


@pytest.mark.parametrize("count", ["1", "True", "yes", ""])
def test_a_count_that_is_neither_true_nor_false_is_a_400(api, count):
    response = api.get(f"/customers/?count={count}")

    assert response.status_code == 400
    assert problem_of(response)["errors"] == [
        {"parameter": "count", "code": "invalid", "detail": "Must be true or false."}
    ]


def cursor_of(body, link="next"):
    return parse_qs(urlsplit(body[link]).query)["cursor"][0]


def test_a_cursor_of_another_ordering_or_another_list_is_a_400(api, customers, model):
    product = model("catalog.Product")
    product.objects.bulk_create(product(name=f"P{n}", slug=f"p{n}") for n in range(3))
    by_name = cursor_of(page(api, "/customers/?page_size=1"))
    of_products = cursor_of(page(api, "/products/?page_size=1"))

    for query in (
        f"ordering=-name&cursor={quote(by_name)}",
        f"ordering=created_at&cursor={quote(by_name)}",
        f"cursor={quote(of_products)}",
        "cursor=",
    ):
        response = api.get(f"/customers/?{query}")
        assert response.status_code == 400
        assert problem_of(response) == NOT_A_CURSOR


def hostile_cursors(real):
    """Damaged, invented and forged ones; the last kind is what a signature is for."""
    chance = random.Random(1)
    payload, _, signature = real.rpartition(":")
    for _ in range(60):
        at = chance.randrange(len(real))
        other = chance.choice("ABCxyz019-_=:.%é\x00😀 ")
        if other != real[at]:
            yield real[:at] + other + real[at + 1 :]
    for _ in range(30):
        yield real[: chance.randrange(len(real))]
        yield "".join(chr(chance.randrange(1, 0x500)) for _ in range(chance.randrange(1, 60)))
        yield base64.urlsafe_b64encode(chance.randbytes(chance.randrange(60))).decode()
    values = [
        None, True, [], {}, [1], "", "\x00", "\ud800", "x" * 5000, -1, 1.5, 10**400, "9" * 30,
        float("inf"), float("nan"), "NaN", "1E+999999", "infinity", "2026-01-01", "0001-01-01",
        "2026-01-01T00:00:00+00:00:30.5", "9999-12-31T23:59:59-14:00", "2026-13-45",
    ]  # fmt: skip
    for value in values:
        for parts in (
            ["name", "n", value, "1"],
            ["name", "n", "a", value],
            ["name", value, "a", "1"],
            [value, "n", "a", "1"],
            [value],
            value,
        ):
            forged = base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")
            yield forged
            yield f"{forged}:{signature}"
    yield f"{payload}:"
    yield f":{signature}"
    yield f"{real}:{signature}"
    yield "." + real
    yield "[" * 100_000
    yield Signer(salt="duka.cursor.catalog.product").sign_object(["name", "n", "a", "1"])
    yield Signer().sign_object(["name", "n", "a", "1"])


def test_hundreds_of_hostile_cursors_are_each_a_400(api, customers):
    real = cursor_of(page(api, "/customers/?page_size=10"))
    cursors = list(hostile_cursors(real))

    answers = {
        cursor: api.get(f"/customers/?cursor={quote(cursor, errors='surrogatepass')}")
        for cursor in cursors
    }

    assert len(answers) > 300
    assert {response.status_code for response in answers.values()} == {400}
    assert all(problem_of(response)["code"] == "invalid_parameter" for response in answers.values())


def test_a_cursor_from_before_its_column_became_another_kind_is_a_400(api, customers):
    signed = Signer(salt="duka.cursor.customers.customer").sign_object
    for parts in (["created_at", "n", "noon", "1"], ["created_at", "n", "2026-01-01", "one"]):
        response = api.get(f"/customers/?ordering=created_at&cursor={quote(signed(parts))}")

        assert response.status_code == 400
        assert problem_of(response) == NOT_A_CURSOR


def test_a_cursor_outlives_a_change_of_the_secret_key_that_keeps_the_old_one(
    api, api_as, customers, settings, shopkeeper
):
    url = page(api, "/customers/?page_size=10")["next"]

    settings.SECRET_KEY = "another"
    api = api_as(shopkeeper)
    refused = api.get("/customers/?" + urlsplit(url).query)
    settings.SECRET_KEY_FALLBACKS = ["tests-only"]

    assert refused.status_code == 400
    assert problem_of(refused) == NOT_A_CURSOR
    assert codes(page(api, url)) == [f"{n:02}" for n in range(10, 20)]
