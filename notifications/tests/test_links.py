"""Status links: one thing to look at without signing in, and nothing beside it."""

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from accounts.tests.factories import StaffFactory
from core.tests.rest import utc
from customers.tests.factories import CustomerFactory
from notifications import tasks
from notifications.models import StatusLink
from notifications.services import find_link, make_link, revoke_link
from orders import services as orders
from orders.tests.factories import DraftOrderFactory, OrderFactory

pytestmark = pytest.mark.django_db


def path_of(link):
    return link.removeprefix("http://127.0.0.1:8000")


def link_to(order, language="en"):
    return path_of(make_link(subject="order", reference=order.number, language=language))


def text_of(response):
    """Return the words of a page, without its marks."""
    body = re.sub(r"<[^>]*>", "\n", response.content.decode().partition("<body>")[2])
    return [line.strip() for line in body.splitlines() if line.strip()]


@pytest.fixture
def order():
    customer = CustomerFactory.create(
        name="Wanjiru", phone="+254722000001", email="wanjiru@example.com", code="C77"
    )
    return OrderFactory.create(customer=customer, note="Ring twice")


class TestThePage:
    def test_it_shows_the_state_and_what_happened_and_nothing_else(self, client, order, settings):
        orders.accept_order(order_id=order.pk, by=None)
        placed, accepted = (each.at for each in order.history.order_by("pk"))

        def said(at):
            here = timezone.localtime(at, ZoneInfo(settings.SHOP_TIME_ZONE))
            return f"{here.day}.{here.month}.{here:%Y %H:%M}"

        response = client.get(link_to(order))

        assert response.status_code == 200
        assert text_of(response) == [
            "Duka",
            f"Order {order.number}",
            "Accepted",
            "Placed",
            said(placed),
            "Accepted",
            said(accepted),
        ]

    def test_nothing_personal_is_in_its_source(self, client, order):
        line = order.lines.get()

        page = client.get(link_to(order)).content.decode()

        for word in ("Wanjiru", "722000001", "wanjiru@", "C77", "Ring", line.sku, str(order.total)):
            assert word not in page, word

    @pytest.mark.parametrize(
        ("language", "title", "state"),
        [
            ("en", "Order", "Waiting for the shop"),
            ("sw", "Oda", "Inasubiri duka"),
            ("fr", "Order", "Waiting for the shop"),
        ],
    )
    def test_it_is_in_the_language_of_the_customer_and_not_of_the_browser(
        self, order, language, title, state
    ):
        client = Client(headers={"Accept-Language": "de"})

        page = client.get(link_to(order, language))

        assert text_of(page)[1:3] == [f"{title} {order.number}", state]
        assert f'<html lang="{language}">' in page.content.decode()

    def test_nobody_keeps_it_and_its_address_goes_nowhere(self, client, order):
        response = client.get(link_to(order))

        assert {*response["Cache-Control"].split(", ")} == {"no-store", "private"}
        assert response["Referrer-Policy"] == "no-referrer"
        assert response["X-Robots-Tag"] == "noindex"
        assert "Set-Cookie" not in response.headers
        assert not response.cookies

    def test_it_is_made_for_a_phone_and_runs_no_script(self, client, order):
        page = client.get(link_to(order)).content.decode()

        assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
        assert "<script" not in page

    def test_it_is_only_looked_at(self, client, order):
        for method in ("post", "put", "patch", "delete"):
            assert getattr(client, method)(link_to(order)).status_code == 405

    def test_what_happens_later_is_shown_by_the_same_link(self, client, order):
        path = link_to(order)
        orders.cancel_order(order_id=order.pk, by=None)

        assert text_of(client.get(path))[2] == "Cancelled"

    def test_the_message_of_an_order_leads_to_it(self, client, order, api):
        [message] = api.get(f"/messages/?order={order.number}").json()["results"]
        link = message["body"].rpartition(" ")[2]

        assert text_of(client.get(path_of(link)))[1] == f"Order {order.number}"


def wrong_links(order):
    """Return addresses that open nothing, by why."""
    good = link_to(order)
    key, _, signature = good.removeprefix("/t/").partition("-")
    other = link_to(OrderFactory.create()).removeprefix("/t/").partition("-")
    expired, revoked = link_to(order), link_to(order)
    StatusLink.objects.filter(pk=expired[3:].partition("-")[0]).update(expires_at=timezone.now())
    StatusLink.objects.filter(pk=revoked[3:].partition("-")[0]).update(revoked_at=timezone.now())
    return {
        "expired": expired,
        "revoked": revoked,
        "forged": f"/t/{key}-{'A' * len(signature)}",
        "cut": good[:-1],
        "longer": f"{good}A",
        "of another": f"/t/{key}-{other[2]}",
        "of another the other way": f"/t/{other[0]}-{signature}",
        "not there": f"/t/999999999-{signature}",
        "without a signature": f"/t/{key}-",
        "a key alone": f"/t/{key}",
        "no key": f"/t/-{signature}",
        "the order's number": f"/t/{order.number}",
        "a key too big": f"/t/{'9' * 40}-{signature}",
        "digits of another script": f"/t/١-{signature}",
        "NUL": f"/t/{key}-%00{signature}",
        "no text": f"/t/{key}-%ff{signature}",
        "long": f"/t/{key}-{'A' * 5000}",
        "of a draft": link_to(DraftOrderFactory.create()),
        "of nothing": path_of(make_link(subject="order", reference="9", language="en")),
        "of another kind": path_of(make_link(subject="user", reference="1", language="en")),
    }


def test_all_that_opens_nothing_is_answered_alike(client, order):
    answers = {
        why: (page.status_code, page.content, without_id(page))
        for why, page in ((why, client.get(path)) for why, path in wrong_links(order).items())
    }

    first = answers["forged"]
    assert first[0] == 404
    assert b"There is nothing here" in first[1]
    assert first[2]["Referrer-Policy"] == "no-referrer"
    assert {why for why, answer in answers.items() if answer != first} == set()


def without_id(response):
    return {name: value for name, value in response.headers.items() if name != "X-Request-ID"}


def test_a_link_lasts_as_many_days_as_the_setting_says(settings, order):
    settings.STATUS_LINK_DAYS = 3

    link_to(order)

    link = StatusLink.objects.latest("pk")
    assert timedelta(days=3) - (link.expires_at - link.created_at) < timedelta(seconds=5)


def test_two_links_to_one_thing_are_two_tokens_and_none_is_stored(order):
    one, two = link_to(order)[3:], link_to(order)[3:]

    assert one.partition("-")[2] != two.partition("-")[2]
    assert len(one.partition("-")[2]) == 22  # 128 bits
    stored = str(list(StatusLink.objects.values()))
    assert one.partition("-")[2] not in stored


def test_another_secret_key_opens_nothing(order, settings):
    token = link_to(order)[3:]
    assert find_link(token).reference == order.number

    settings.SECRET_KEY = "another-" * 8

    assert find_link(token) is None


def test_links_that_are_long_over_are_deleted(order):
    link_to(order)
    over, recent = StatusLink.objects.order_by("pk")
    StatusLink.objects.filter(pk=over.pk).update(expires_at=timezone.now() - timedelta(days=31))
    StatusLink.objects.filter(pk=recent.pk).update(expires_at=timezone.now() - timedelta(days=29))

    assert tasks.remove_old_links.call() == 1

    assert StatusLink.objects.get() == recent


class TestByHand:
    """Staff close a link that came into the wrong hands."""

    @pytest.fixture
    def link(self, order):
        return StatusLink.objects.get(reference=order.number)

    def test_revoked_it_opens_nothing_and_says_by_whom(self, api, client, order, shopkeeper):
        path, other = link_to(order), link_to(order)
        link = StatusLink.objects.order_by("pk")[1]

        answer = api.post(f"/status-links/{link.pk}/revoke/")

        link.refresh_from_db()
        assert (answer.status_code, answer.json()) == (
            200,
            {
                "id": link.pk,
                "subject": "order",
                "reference": order.number,
                "language": "en",
                "created_at": utc(link.created_at),
                "expires_at": utc(link.expires_at),
                "revoked_at": utc(link.revoked_at),
                "revoked_by": str(shopkeeper),
            },
        )
        assert api.get(f"/status-links/{link.pk}/").json() == answer.json()
        assert [client.get(each).status_code for each in (path, other)] == [404, 200]

    def test_revoked_again_it_stays_as_it_was(self, api, link, shopkeeper):
        first = api.post(f"/status-links/{link.pk}/revoke/").json()
        someone = StaffFactory.create(permissions=["notifications.handle_message"])

        again = revoke_link(statuslink_id=link.pk, by=someone)

        assert again.revoked_by == shopkeeper
        assert api.post(f"/status-links/{link.pk}/revoke/").json() == first

    def test_one_that_is_not_there_is_a_404(self, api, link):
        assert api.post(f"/status-links/{link.pk + 1}/revoke/").status_code == 404

    def test_they_are_found_by_what_they_show(self, api, order, link):
        other = StatusLink.objects.get(reference=OrderFactory.create().number)
        make_link(subject="repair", reference=order.number, language="en")
        revoke_link(statuslink_id=other.pk, by=None)

        def listed(query):
            return [each["id"] for each in api.get(f"/status-links/{query}").json()["results"]]

        assert listed(f"?subject=order&reference={order.number}") == [link.pk]
        assert listed("?subject=order") == [other.pk, link.pk]
        assert listed("?revoked=true") == [other.pk]
        assert listed("?subject=order&revoked=false") == [link.pk]

    def test_no_answer_says_a_token_or_what_it_is_made_of(self, api, order, link):
        token = link_to(order)[3:].partition("-")[2]

        said = f"{api.get('/status-links/').json()} {api.get(f'/status-links/{link.pk}/').json()}"

        assert token not in said
        assert [each.salt for each in StatusLink.objects.all() if each.salt in said] == []

    def test_a_list_costs_the_same_for_one_and_for_three(
        self, api, order, link, django_assert_num_queries
    ):
        # Session, user and membership of the test client, then the page.
        with django_assert_num_queries(4):
            assert len(api.get("/status-links/").json()["results"]) == 1
        for each in (link_to(order), link_to(order)):
            revoke_link(statuslink_id=int(each[3:].partition("-")[0]), by=StaffFactory.create())
        with django_assert_num_queries(4):
            assert len(api.get("/status-links/").json()["results"]) == 3
