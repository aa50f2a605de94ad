import re
from functools import partial

import pytest

from core.etags import check_if_match
from core.models import Worker
from core.tests.races import at_once
from core.tests.rest import problem_of

pytestmark = [pytest.mark.django_db, pytest.mark.urls("core.tests.probe")]


@pytest.fixture
def customer(api):
    """C1, and what was answered when it was made."""
    return api.post("/customers/", {"name": "A", "phone": "0722000000", "code": "C1"})


def assert_refused(response):
    assert response.status_code == 412
    assert problem_of(response) == {
        "title": "Precondition Failed",
        "detail": "It has changed since you read it. Read it again and repeat the change.",
        "code": "precondition_failed",
        "errors": [],
    }


def test_every_answer_of_one_thing_has_the_etag_that_a_get_gives(api, customer):
    created = customer["ETag"]
    read = api.get("/customers/C1/")
    head = api._call("HEAD", "/customers/C1/")
    changed = api.patch("/customers/C1/", {"name": "B"})

    assert re.fullmatch('"[0-9a-f]{32}"', created)
    assert read["ETag"] == head["ETag"] == created
    assert changed["ETag"] != created
    assert api.get("/customers/C1/")["ETag"] == changed["ETag"]


def test_a_verb_answers_with_the_new_etag(api, shop):
    order = api.post("/orders/", shop)
    accepted = api.post(f"/orders/{order.json()['number']}/accept/")

    assert accepted["ETag"] != order["ETag"]
    assert api.get(f"/orders/{order.json()['number']}/")["ETag"] == accepted["ETag"]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', '"other",W/{} , "more"', "*"])
def test_what_the_caller_already_has_is_a_304_without_a_body(api, customer, form):
    response = api.get("/customers/C1/", if_none_match=form.format(customer["ETag"]))

    assert response.status_code == 304
    assert response.content == b""
    assert response["ETag"] == customer["ETag"]


@pytest.mark.parametrize("header", ['"other"', "other", "", 'W/"other"', "{}"])
def test_what_the_caller_does_not_have_is_sent(api, customer, header):
    # Without its quotes it is no ETag.
    header = header.format(customer["ETag"].strip('"'))

    assert api.get("/customers/C1/", if_none_match=header).status_code == 200


def test_a_check_without_the_header_asks_for_nothing(rf):
    assert check_if_match(rf.patch("/"), '"any"') is None


def test_a_304_is_no_longer_given_after_a_change(api, customer):
    api.patch("/customers/C1/", {"name": "B"})

    response = api.get("/customers/C1/", if_none_match=customer["ETag"])

    assert (response.status_code, response.json()["name"]) == (200, "B")


@pytest.mark.parametrize("form", ["{}", '"other", {}', "*"])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_change_of_what_the_caller_saw_is_made(api, customer, method, form):
    response = api._call(
        method,
        "/customers/C1/",
        {"name": "B", "phone": "0722000000"},
        if_match=form.format(customer["ETag"]),
    )

    assert (response.status_code, response.json()["name"]) == (200, "B")


@pytest.mark.parametrize("form", ['"other"', "W/{}", "", "other", '"*"', "*, {}x"])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_change_of_something_else_is_refused(api, customer, method, form):
    response = api._call(
        method,
        "/customers/C1/",
        {"name": "B", "phone": "0722000000"},
        if_match=form.format(customer["ETag"]),
    )

    assert_refused(response)
    assert api.get("/customers/C1/")["ETag"] == customer["ETag"]


def test_without_if_match_the_last_writer_wins(api, customer):
    assert api.patch("/customers/C1/", {"name": "B"}).status_code == 200
    assert api.patch("/customers/C1/", {"name": "C"}).status_code == 200
    assert api.get("/customers/C1/").json()["name"] == "C"


def test_delete_of_what_the_caller_saw_is_made_once(api, customer):
    deleted = api.delete("/customers/C1/", if_match=customer["ETag"])
    again = api.delete("/customers/C1/", if_match="*")

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert again.status_code == 404


def test_a_verb_on_something_else_than_the_caller_saw_is_refused(api, shop):
    order = api.post("/orders/", shop)
    path = f"/orders/{order.json()['number']}"
    accepted = api.post(f"{path}/accept/", if_match=order["ETag"])

    assert accepted.status_code == 200
    assert_refused(api.post(f"{path}/cancel/", if_match=order["ETag"]))
    assert api.get(f"{path}/").json()["status"] == "accepted"
    assert api.post(f"{path}/cancel/", if_match=accepted["ETag"]).json()["status"] == "cancelled"


def test_goods_that_were_sold_meanwhile_are_something_else(api, shop):
    variant = f"/variants/{api.get('/variants/?sku=TEA').json()['results'][0]['id']}/"
    seen = api.get(variant)["ETag"]
    api.post("/orders/", shop)

    assert_refused(api.patch(variant, {"stock": 5}, if_match=seen))
    assert api.get(variant).json()["stock"] == 98


@pytest.mark.django_db(transaction=True)
def test_of_changes_at_once_of_the_same_etag_exactly_one_is_made(api_as, shopkeeper, api, customer):
    callers = [api_as(shopkeeper) for _ in range(6)]

    answers = at_once(
        [
            partial(each.patch, "/customers/C1/", {"name": f"N{n}"}, if_match=customer["ETag"])
            for n, each in enumerate(callers)
        ]
    )

    won = [each for each in answers if each.status_code == 200]
    lost = [each for each in answers if each.status_code != 200]
    assert len(won) == 1
    assert api.get("/customers/C1/").content == won[0].content
    for each in lost:
        assert_refused(each)


@pytest.mark.django_db(transaction=True)
def test_of_a_change_and_a_deletion_at_once_one_is_made(api_as, shopkeeper, api):
    for n in range(5):
        Worker.objects.create(id=f"w{n}")
        etag = api.get(f"/workers/w{n}/")["ETag"]
        one, two = api_as(shopkeeper), api_as(shopkeeper)

        deleted, patched = at_once(
            [
                partial(one.delete, f"/workers/w{n}/", if_match=etag),
                partial(two.patch, f"/workers/w{n}/", {"message": "a"}, if_match=etag),
            ]
        )

        # The probe's change changes nothing, so that the deletion may come after it.
        assert (deleted.status_code, patched.status_code) in {(204, 404), (204, 200)}
        assert not Worker.objects.exists()
