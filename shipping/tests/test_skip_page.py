"""The page behind the link of a message that says what comes: one button, no sign-in."""

import re
from datetime import date

import pytest
from django.test import Client

from catalog.tests.factories import VariantFactory
from customers.tests.factories import CustomerFactory
from notifications.models import Message
from orders.services import Wanted
from shipping import services
from shipping.models import Occurrence

from .factories import StandingOrderFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulated")]
DAY = date(2026, 12, 7)


def path_of(link):
    return link.removeprefix("http://127.0.0.1:8000")


def text_of(response):
    """Return the words of a page, without its marks."""
    body = re.sub(r"<[^>]*>", "\n", response.content.decode().partition("<body>")[2])
    return [line.strip() for line in body.splitlines() if line.strip()]


@pytest.fixture
def standing():
    tea = VariantFactory.create(product__name="Chai", price="12.50")
    customer = CustomerFactory.create(name="Wanjiru", phone="+254722000001")
    return StandingOrderFactory.create(
        customer=customer, items=[Wanted(sku=tea.sku, quantity=2)], start=DAY
    )


@pytest.fixture
def path(standing):
    return path_of(services.skip_link(standing, DAY))


@pytest.fixture
def browser():
    """One that would be refused without a token against forged requests, where one is needed."""
    return Client(enforce_csrf_checks=True, headers={"Accept-Language": "de"})


def test_it_shows_what_comes_and_only_the_button_leaves_it_out(browser, standing, path):
    shown = browser.get(path)

    assert shown.status_code == 200
    assert text_of(shown) == [
        "Duka",
        f"Standing order {standing.number}",
        "Comes on 2026-12-07",
        "Chai",
        "2",
        "In all, as of now",
        "KES 25.00",
        "Not this time",
    ]
    assert browser.head(path).status_code == 200
    assert not Occurrence.objects.exists()

    for _ in range(2):
        answer = browser.post(path)
        assert answer.status_code == 200
        assert text_of(answer)[2:] == ["Not this time: 2026-12-07 is left out."]
    assert text_of(browser.get(path)) == text_of(answer)
    [occurrence] = standing.occurrences.all()
    assert (occurrence.on, occurrence.status, occurrence.by) == (DAY, "skipped", None)
    standing.refresh_from_db()
    assert standing.next_on == date(2026, 12, 14)


def test_too_late_it_says_so(browser, standing, path, simulated):
    simulated("2026-12-07 06:00")
    services.run_standing_orders()

    for answer in (browser.get(path), browser.post(path)):
        assert answer.status_code == 200
        assert text_of(answer)[2:] == ["It is too late to leave out 2026-12-07."]
    assert standing.occurrences.get().status == "ordered"


def test_after_its_date_a_link_is_over(browser, standing, simulated):
    other = VariantFactory.create(stock=0)
    waiting = StandingOrderFactory.create(items=[Wanted(sku=other.sku, quantity=1)], start=DAY)
    paths = [path_of(services.skip_link(each, DAY)) for each in (standing, waiting)]
    simulated("2026-12-07 06:00")
    services.run_standing_orders()
    simulated("2026-12-08 00:00")

    for path in paths:
        for answer in (browser.get(path), browser.post(path)):
            assert answer.status_code == 200
            assert text_of(answer)[2:] == ["This link is over: 2026-12-07 has passed."]
    assert waiting.occurrences.get().status == "waiting"


def test_of_what_is_ended_nothing_comes(browser, standing, path):
    services.end_standing_order(standing_order_id=standing.pk, by=None)

    assert text_of(browser.post(path))[2:] == ["It is too late to leave out 2026-12-07."]


def test_what_waits_for_goods_can_be_left_out_too(browser, path, simulated):
    other = VariantFactory.create(stock=0)
    waiting = StandingOrderFactory.create(items=[Wanted(sku=other.sku, quantity=1)], start=DAY)
    path = path_of(services.skip_link(waiting, DAY))
    simulated("2026-12-07 06:00")
    services.run_standing_orders()

    assert text_of(browser.get(path))[-1] == "Not this time"
    browser.post(path)

    assert waiting.occurrences.get().status == "skipped"


@pytest.mark.parametrize(
    ("language", "title", "state"),
    [
        ("en", "Standing order", "Comes on 2026-12-07"),
        ("sw", "Oda ya kudumu", "Inakuja 2026-12-07"),
        ("fr", "Standing order", "Comes on 2026-12-07"),
    ],
)
def test_it_is_in_the_language_of_the_customer(browser, standing, language, title, state):
    type(standing.customer).objects.update(language=language)
    path = path_of(services.skip_link(standing, DAY))

    page = browser.get(path)

    assert text_of(page)[1:3] == [f"{title} {standing.number}", state]
    assert f'<html lang="{"sw" if language == "sw" else "en"}">' in page.content.decode()


def test_nothing_tells_whose_it_is_and_nobody_keeps_it(browser, path):
    for response in (browser.get(path), browser.post(path), browser.get("/skip/R1.20261207-x")):
        assert {*response["Cache-Control"].split(", ")} == {"no-store", "private"}
        assert response["Referrer-Policy"] == "no-referrer"
        assert response["X-Robots-Tag"] == "noindex"
        assert response["Content-Security-Policy"] == (
            "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none';"
            " frame-ancestors 'none'"
        )
        assert not response.cookies
        page = response.content.decode()
        for word in ("Wanjiru", "722000001", "John Doe", "harrow", "<script"):
            assert word not in page, word


def test_all_that_is_no_link_of_ours_is_answered_alike(browser, standing, path, settings):
    number, _, signature = path.removeprefix("/skip/").partition(".")
    signature = signature.partition("-")[2]
    other = path_of(services.skip_link(StandingOrderFactory.create(), DAY))
    wrong = {
        "forged": f"{path[:-1]}{'A' if path[-1] != 'A' else 'B'}",
        "cut": path[:-1],
        "longer": f"{path}A",
        "another day": f"/skip/{number}.20261214-{signature}",
        "no day": f"/skip/{number}.20261340-{signature}",
        "of another": f"/skip/{number}.20261207-{other[-22:]}",
        "not there": f"/skip/R999999.20261207-{signature}",
        "digits of another script": f"/skip/R١.20261207-{signature}",
        "no signature": f"/skip/{number}.20261207-",
        "NUL": f"/skip/{number}.20261207-%00{signature}",
        "no text": f"/skip/{number}.20261207-%ff{signature}",
        "long": f"/skip/{number}.20261207-{'A' * 5000}",
    }
    settings.SECRET_KEY, key = "another-" * 8, settings.SECRET_KEY
    of_another_shop = browser.post(path)
    settings.SECRET_KEY = key

    answers = {why: browser.post(each) for why, each in wrong.items()}

    assert of_another_shop.status_code == 404
    assert text_of(of_another_shop)[1:] == ["There is nothing here", "This link is not right."]
    assert {
        why
        for why, answer in answers.items()
        if (answer.status_code, answer.content) != (404, of_another_shop.content)
    } == set()
    assert not Occurrence.objects.exists()


def test_it_is_looked_at_or_left_out_and_nothing_else(browser, path):
    for method in ("put", "patch", "delete"):
        assert getattr(browser, method)(path).status_code == 405


def test_the_message_leads_to_it(browser, standing, simulated):
    simulated("2026-12-05 06:00")
    services.announce_coming()

    link = Message.objects.get(event="standing_order.coming").body.rpartition(" ")[2]

    assert text_of(browser.get(path_of(link)))[1] == f"Standing order {standing.number}"


def test_its_address_is_not_written_down(browser, path, caplog):
    caplog.set_level("INFO", "duka.request")

    browser.get(path)

    assert "GET /skip/… 200" in caplog.messages
