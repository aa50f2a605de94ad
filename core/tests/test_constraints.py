import pytest
from django.db import IntegrityError, connection, transaction

from core.constraints import constraints_as
from core.errors import DomainError, InvalidInput
from core.models import IdempotencyKey, Worker

pytestmark = pytest.mark.django_db
NAME = "one_stored_answer_for_each_idempotency_key"


def store():
    IdempotencyKey.objects.create(caller="1", key="k", fingerprint="f", status=200, body=b"")


def test_a_named_constraint_that_refuses_a_write_becomes_its_error():
    taken = InvalidInput.at("key", detail="It is taken.", code="taken")
    store()

    with pytest.raises(InvalidInput) as error, constraints_as({NAME: taken}):
        store()

    assert error.value is taken
    assert error.value.__suppress_context__


def test_the_transaction_around_it_goes_on_without_what_was_refused():
    store()
    with transaction.atomic():
        Worker.objects.create(id="before")
        with pytest.raises(DomainError), constraints_as({NAME: DomainError("Taken.")}):
            Worker.objects.create(id="refused")
            store()
        Worker.objects.create(id="after")

    assert sorted(worker.pk for worker in Worker.objects.all()) == ["after", "before"]
    assert connection.needs_rollback is False


def test_another_constraint_stays_what_it_is():
    store()

    with (
        pytest.raises(IntegrityError, match=NAME),
        constraints_as({"another": DomainError("Never.")}),
    ):
        store()


def test_a_missing_value_is_no_named_constraint():
    with pytest.raises(IntegrityError, match="null value"), constraints_as({NAME: DomainError("")}):
        IdempotencyKey.objects.create(caller="1", key="k", fingerprint=None, status=200, body=b"")


def test_a_write_that_is_allowed_stays():
    with constraints_as({NAME: DomainError("Never.")}):
        store()

    assert IdempotencyKey.objects.count() == 1
