import json
import threading
from datetime import timedelta
from functools import partial

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models.functions import Now

from core.events import all_events
from core.idempotency import KEPT_FOR
from core.models import IdempotencyKey, Worker
from core.tasks import remove_old_records
from core.tests.probe import SECRET, WorkerViewSet
from core.tests.races import at_once
from core.tests.rest import problem_of

pytestmark = pytest.mark.urls("core.tests.probe")

KEPT = ("Content-Type", "ETag", "Location", "Allow")


@pytest.fixture
def other(db):
    return get_user_model().objects.create_user("other")


def assert_replayed(first, again):
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert again.status_code == first.status_code
    assert again.content == first.content
    for name in KEPT:
        assert again.get(name) == first.get(name)


@pytest.mark.django_db
def test_the_same_request_again_gets_the_first_answer_and_has_no_effect(api, shop, model):
    first = api.post("/orders/", shop, idempotency_key="k1")
    again = api.post("/orders/", shop, idempotency_key="k1")

    assert first.status_code == 201
    assert first["Location"] == f"http://testserver/api/v1/orders/{first.json()['number']}/"
    assert first["ETag"]
    assert_replayed(first, again)
    assert again["X-Request-ID"] != first["X-Request-ID"]
    assert model("orders.Order").objects.count() == 1
    assert model("catalog.Variant").objects.get().stock == 98


@pytest.mark.django_db
def test_what_is_shown_once_is_null_in_the_second_answer_and_kept_nowhere(api):
    first = api.post("/workers/", {"message": "once"}, idempotency_key="k")
    again = api.post("/workers/", {"message": "once"}, idempotency_key="k")

    assert (first.status_code, first.json()["secret"]) == (201, SECRET)
    assert (again.status_code, again["Idempotent-Replayed"]) == (201, "true")
    assert again.json() == {**first.json(), "secret": None}
    assert SECRET.encode() not in bytes(IdempotencyKey.objects.get().body)
    assert "secret" not in api.get("/workers/once/").json()
    assert first["ETag"] == again["ETag"] == api.get("/workers/once/")["ETag"]


@pytest.mark.django_db
def test_without_a_key_each_request_counts(api, shop, model):
    answers = [api.post("/orders/", shop) for _ in range(2)]

    assert [each.status_code for each in answers] == [201, 201]
    assert model("orders.Order").objects.count() == 2
    assert not IdempotencyKey.objects.exists()


@pytest.mark.django_db
def test_a_verb_is_replayed_even_when_the_state_has_moved_on(api, shop, model):
    number = api.post("/orders/", shop).json()["number"]
    first = api.post(f"/orders/{number}/accept/", idempotency_key="k")
    api.post(f"/orders/{number}/fulfil/", idempotency_key="k2")
    again = api.post(f"/orders/{number}/accept/", idempotency_key="k")

    assert first.json()["status"] == "accepted"
    assert_replayed(first, again)
    assert model("orders.Order").objects.get().status == "fulfilled"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/workers/", {"message": "b"}),
        ("/workers/", b'{"message":"a"}'),  # The same to a reader, but other bytes.
        ("/workers/?x=1", {"message": "a"}),
        ("/customers/", {"message": "a"}),
    ],
)
def test_a_reused_key_with_another_request_is_refused_with_422(api, path, body):
    assert api.post("/workers/", {"message": "a"}, idempotency_key="k").status_code == 201

    response = api.post(path, body, idempotency_key="k")

    assert response.status_code == 422
    assert "Idempotent-Replayed" not in response
    assert problem_of(response) == {
        "title": "Unprocessable Entity",
        "detail": "This Idempotency-Key was used for another request.",
        "code": "idempotency_key_reused",
        "errors": [],
    }
    assert Worker.objects.count() == 1


@pytest.mark.django_db
def test_a_refusal_is_stored_without_the_effects_of_its_handler_and_replayed(api):
    first = api.post("/workers/", {"message": "refuse"}, idempotency_key="k")
    again = api.post("/workers/", {"message": "refuse"}, idempotency_key="k")

    assert first.status_code == 400
    assert_replayed(first, again)
    # The first request's: that is the one whose log lines say why.
    assert again.json()["request_id"] == first["X-Request-ID"]
    assert not Worker.objects.exists()


@pytest.mark.django_db
def test_an_error_answer_that_a_handler_returns_undoes_its_effects_too(api):
    first = api.post("/workers/", {"message": "quiet 400"}, idempotency_key="k")
    again = api.post("/workers/", {"message": "quiet 400"}, idempotency_key="k")

    assert (first.status_code, first.json()) == (400, {"quiet": True})
    assert_replayed(first, again)
    assert not Worker.objects.exists()


@pytest.mark.django_db
def test_a_409_is_replayed_although_it_would_work_by_now(api, shop, model):
    variant = model("catalog.Variant").objects
    variant.update(stock=1)
    first = api.post("/orders/", shop, idempotency_key="k")
    variant.update(stock=100)

    assert first.status_code == 409
    assert_replayed(first, api.post("/orders/", shop, idempotency_key="k"))
    assert api.post("/orders/", shop, idempotency_key="k2").status_code == 201


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("message", "status"), [("crash", 500), ("quiet 503", 503)])
def test_a_failure_of_ours_stores_nothing(api, message, status):
    first = api.post("/workers/", {"message": message}, idempotency_key="k")

    assert first.status_code == status
    assert not Worker.objects.exists()
    assert not IdempotencyKey.objects.exists()
    again = api.post("/workers/", {"message": message}, idempotency_key="k")
    assert again.status_code == status
    assert "Idempotent-Replayed" not in again


@pytest.mark.django_db(transaction=True)
def test_the_retry_after_a_crash_works(api, shop, model):
    placed = next(event for event in all_events() if event.code == "order.placed")
    order = model("orders.Order").objects

    def crash(**_):
        raise RuntimeError("after the order was saved")

    placed.connect(crash)
    try:
        first = api.post("/orders/", shop, idempotency_key="k")
        assert first.status_code == 500
        assert not order.exists()
        assert not model("notifications.Message").objects.exists()
        assert model("catalog.Variant").objects.get().stock == 100
    finally:
        placed.disconnect(crash)

    again = api.post("/orders/", shop, idempotency_key="k")

    assert again.status_code == 201
    assert "Idempotent-Replayed" not in again
    assert order.count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_effect_whose_answer_could_not_be_stored_is_undone(api, shop, model):
    # Refused at the very last: when the row of the answer is written.
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE core_idempotencykey ADD CONSTRAINT never CHECK (status <> 201) NOT VALID"
        )
    try:
        response = api.post("/orders/", shop, idempotency_key="k")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE core_idempotencykey DROP CONSTRAINT never")

    assert response.status_code == 500
    assert not model("orders.Order").objects.exists()
    assert model("catalog.Variant").objects.get().stock == 100
    assert api.post("/orders/", shop, idempotency_key="k").status_code == 201


@pytest.mark.django_db(transaction=True)
def test_while_a_request_is_in_flight_the_same_key_gets_a_409(api, api_as, other, shopkeeper):
    WorkerViewSet.gate.clear()
    body = {"message": "wait"}
    answers = []
    slow = threading.Thread(
        target=lambda: (
            answers.append(api.post("/workers/", body, idempotency_key="k")),
            connection.close(),
        )
    )
    slow.start()
    try:
        assert WorkerViewSet.entered.acquire(timeout=90)
        same = api_as(shopkeeper)
        in_flight = same.post("/workers/", body, idempotency_key="k")
        other_body = same.post("/workers/", {"message": "x"}, idempotency_key="k")
        other_key = same.post("/workers/", {"message": "a"}, idempotency_key="k2")
        other_caller = api_as(other).post("/workers/", {"message": "b"}, idempotency_key="k")
    finally:
        WorkerViewSet.gate.set()
        slow.join(90)
    afterwards = same.post("/workers/", body, idempotency_key="k")

    for refused in (in_flight, other_body):
        assert refused.status_code == 409
        assert problem_of(refused) == {
            "title": "Conflict",
            "detail": "A request with this Idempotency-Key is still being served;"
            " ask again shortly.",
            "code": "idempotency_in_flight",
            "errors": [],
        }
    assert [other_key.status_code, other_caller.status_code] == [201, 201]
    assert answers[0].status_code == 201
    assert_replayed(answers[0], afterwards)
    assert sorted(Worker.objects.values_list("pk", flat=True)) == ["a", "b", "effect", "wait"]


@pytest.mark.django_db(transaction=True)
def test_five_at_once_make_one_order_one_change_of_stock_and_one_message(
    api_as, shopkeeper, shop, model
):
    callers = [api_as(shopkeeper) for _ in range(5)]

    answers = at_once(
        [partial(each.post, "/orders/", shop, idempotency_key="k") for each in callers]
    )
    again = callers[0].post("/orders/", shop, idempotency_key="k")

    statuses = [each.status_code for each in answers]
    fresh = [
        each for each in answers if each.status_code == 201 and "Idempotent-Replayed" not in each
    ]
    assert len(fresh) == 1
    assert set(statuses) <= {201, 409}
    assert {each.content for each in answers if each.status_code == 201} == {fresh[0].content}
    assert {json.loads(each.content)["code"] for each in answers if each.status_code == 409} <= {
        "idempotency_in_flight"
    }
    assert_replayed(fresh[0], again)
    order = model("orders.Order").objects.get()
    assert order.number == fresh[0].json()["number"]
    assert model("orders.OrderChange").objects.count() == 1
    assert model("catalog.Variant").objects.get().stock == 98
    message = model("notifications.Message").objects.get()
    assert (message.event, message.reference) == ("order.placed", order.number)


@pytest.mark.django_db
def test_the_keys_of_two_callers_never_meet(api, api_as, other):
    first = api.post("/workers/", {"message": "a"}, idempotency_key="k")
    second = api_as(other).post("/workers/", {"message": "b"}, idempotency_key="k")

    assert [first.status_code, second.status_code] == [201, 201]
    assert second.json()["id"] == "b"
    assert IdempotencyKey.objects.count() == 2


@pytest.mark.django_db
def test_a_caller_is_the_same_by_session_and_by_token(api_as, anonymous, program):
    first = api_as(program.user).post("/workers/", {"message": "a"}, idempotency_key="k")

    again = anonymous.post(
        "/api/v1/workers/",
        json.dumps({"message": "a"}),
        content_type="application/json",
        headers={**program.headers, "Idempotency-Key": "k"},
    )

    assert_replayed(first, again)


@pytest.mark.django_db
def test_nothing_is_replayed_to_somebody_without_the_right(api, shopkeeper, anonymous):
    customer = {"name": "A", "phone": "0722000000"}
    first = api.post("/customers/", customer, idempotency_key="k")
    shopkeeper.memberships.all().delete()

    again = api.post("/customers/", customer, idempotency_key="k")
    stranger = anonymous.post("/api/v1/customers/", headers={"Idempotency-Key": "k"})

    assert [first.status_code, again.status_code, stranger.status_code] == [201, 403, 401]
    assert IdempotencyKey.objects.count() == 1


def age(by):
    IdempotencyKey.objects.update(created_at=Now() - by)


@pytest.mark.django_db
def test_a_key_is_kept_for_a_day_and_then_is_as_new(api):
    assert KEPT_FOR.days == 1
    api.post("/workers/", {"message": "a"}, idempotency_key="k")

    age(KEPT_FOR - timedelta(minutes=1))
    remove_old_records.call()
    replayed = api.post("/workers/", {"message": "a"}, idempotency_key="k")
    age(KEPT_FOR + timedelta(seconds=1))
    # Not yet removed: housekeeping runs by the hour.
    fresh = api.post("/workers/", {"message": "b"}, idempotency_key="k")

    assert replayed["Idempotent-Replayed"] == "true"
    assert fresh.status_code == 201
    assert fresh.json()["id"] == "b"
    assert "Idempotent-Replayed" not in fresh
    assert_replayed(fresh, api.post("/workers/", {"message": "b"}, idempotency_key="k"))


@pytest.mark.django_db
def test_housekeeping_removes_keys_after_a_day(api):
    api.post("/workers/", {"message": "a"}, idempotency_key="old")
    age(KEPT_FOR + timedelta(seconds=1))
    api.post("/workers/", {"message": "b"}, idempotency_key="new")

    remove_old_records.call()

    assert [each.key for each in IdempotencyKey.objects.all()] == ["new"]


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["a", "~!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}", "x" * 255])
def test_any_visible_ascii_is_a_key(api, key):
    first = api.post("/workers/", {"message": "a"}, idempotency_key=key)

    assert first.status_code == 201
    assert_replayed(first, api.post("/workers/", {"message": "a"}, idempotency_key=key))


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "é", "a\tb", "a\x00b", "a\x7f", "😀"])
def test_any_other_key_is_a_400_and_nothing_happens(api, key):
    response = api.post("/workers/", {"message": "a"}, idempotency_key=key)

    assert response.status_code == 400
    assert problem_of(response)["detail"] == (
        "Idempotency-Key must be 1 to 255 visible ASCII characters without spaces."
    )
    assert not Worker.objects.exists()


@pytest.mark.django_db
def test_a_key_on_anything_but_a_post_is_ignored(api):
    api.post("/workers/", {"message": "a"}, idempotency_key="k")

    assert api.get("/workers/", idempotency_key="k").status_code == 200
    assert api.patch("/workers/a/", {"message": "a"}, idempotency_key="k").status_code == 200
    assert api.delete("/workers/a/", idempotency_key="k").status_code == 204
    assert IdempotencyKey.objects.count() == 1


@pytest.mark.django_db
def test_a_body_that_is_not_json_is_stored_and_replayed_as_any_refusal(api):
    first = api.post("/workers/", b"{", idempotency_key="k")

    assert first.status_code == 400
    assert_replayed(first, api.post("/workers/", b"{", idempotency_key="k"))
