import pytest
from django.db import DatabaseError, transaction

from core.sequences import next_value
from core.tests.races import at_once


@pytest.mark.django_db
def test_numbers_count_up():
    first = next_value("order_number")

    assert [next_value("order_number") for _ in range(3)] == [first + 1, first + 2, first + 3]


@pytest.mark.django_db(transaction=True)
def test_no_two_callers_get_the_same():
    def take():
        return [next_value("order_number") for _ in range(50)]

    taken = [number for numbers in at_once([take] * 4) for number in numbers]

    assert len(set(taken)) == 200
    assert max(taken) - min(taken) == 199


@pytest.mark.django_db(transaction=True)
def test_a_roll_back_leaves_a_gap_rather_than_a_number_twice():
    first = next_value("customer_code")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        next_value("customer_code")
        1 / 0  # noqa: B018

    assert next_value("customer_code") == first + 2


@pytest.mark.django_db
def test_a_sequence_that_is_not_there_is_an_error():
    with pytest.raises(DatabaseError, match="does not exist"), transaction.atomic():
        next_value("nothing")
