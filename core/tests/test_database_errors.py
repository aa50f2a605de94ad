"""What two requests do to each other in the database is an answer, not a crash."""

import threading
import time

import pytest
from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    connection,
    transaction,
)

from catalog.models import Category, Product
from catalog.tests.factories import CategoryFactory, ProductFactory
from core.api.problems import exception_handler
from core.tests.races import at_once


def wait_for_a_blocked_session(seconds=90):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            # Not pg_stat_activity: that stands still inside a transaction.
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    pytest.fail("Nobody waits for a lock.")


@pytest.mark.django_db(transaction=True)
def test_what_is_deleted_while_something_is_put_into_it_is_a_409(api):
    drinks, product = CategoryFactory.create(), ProductFactory.create()
    answers = []

    def put_into_it():
        try:
            answers.append(api.patch(f"/products/{product.pk}/", {"category": drinks.slug}))
        finally:
            connection.close()

    with transaction.atomic():
        Category.objects.filter(pk=drinks.pk).delete()
        # It still sees the category, writes, and waits at its commit for ours.
        request = threading.Thread(target=put_into_it)
        request.start()
        wait_for_a_blocked_session()
    request.join()

    assert answers[0].status_code == 409
    assert answers[0].json()["code"] == "conflict"
    assert Product.objects.get().category is None


@pytest.mark.django_db(transaction=True)
def test_a_deadlock_asks_to_send_it_again():
    first, second = CategoryFactory.create_batch(2)
    both_have_one = threading.Barrier(2)

    def lock(mine, other):
        with transaction.atomic():
            Category.objects.select_for_update().get(pk=mine.pk)
            both_have_one.wait(timeout=90)
            Category.objects.select_for_update().get(pk=other.pk)

    outcomes = at_once([lambda: lock(first, second), lambda: lock(second, first)])

    (error,) = [outcome for outcome in outcomes if isinstance(outcome, DatabaseError)]
    response = exception_handler(error, {})
    assert (response.status_code, response.data["code"]) == (503, "try_again")
    assert response["Retry-After"] == "1"


def test_any_other_error_of_the_database_is_a_fault_of_ours():
    assert exception_handler(DatabaseError("column does not exist"), {}) is None


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
def test_a_database_that_is_away_asks_to_come_back(kind):
    response = exception_handler(kind("connection already closed"), {})

    assert (response.status_code, response.data["code"]) == (503, "unavailable")
    assert response["Retry-After"] == "2"
