"""What the database holds of customers, whoever writes to it."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from accounts.tests.factories import UserFactory
from customers.models import Customer

from .factories import CustomerFactory

pytestmark = pytest.mark.django_db

INSERT = """
INSERT INTO customers_customer (code, name, phone, email, language, updated_at)
VALUES (%s, 'Amina', %s, %s, 'en', now())
"""


def insert(code="A", phone="+254722000000", email=""):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(INSERT, [code, phone, email])


def test_raw_sql_of_a_reachable_customer_is_let_in():
    insert("A", "+254722000000", "")
    insert("B", "", "amina@example.com")

    assert Customer.objects.count() == 2


def test_database_refuses_a_customer_who_cannot_be_reached():
    with pytest.raises(IntegrityError, match="customer_can_be_reached"):
        insert(phone="", email="")


@pytest.mark.parametrize(
    "phone",
    [
        "0722000000",
        "254722000000",
        "+0722000000",
        "+254 722 000000",
        "+25472200000a",
        "+2547220000001234",
        "+254722000000\n",
        "+12345",
    ],
)
def test_database_refuses_a_phone_that_is_not_e164(phone):
    with pytest.raises(IntegrityError, match="customer_phone_is_e164"):
        insert(phone=phone)


def test_database_refuses_a_code_twice():
    insert("A")

    with pytest.raises(IntegrityError, match="customers_customer_code_key"):
        insert("A")


def test_database_refuses_two_customers_of_one_user():
    user = UserFactory.create()
    CustomerFactory.create(user=user)

    with pytest.raises(IntegrityError, match="user_id"), transaction.atomic():
        CustomerFactory.create(user=user)


def test_customer_outlives_their_user():
    user = UserFactory.create()
    customer = CustomerFactory.create(user=user)

    user.delete()

    customer.refresh_from_db()
    assert customer.user is None


def test_validation_tells_a_person_what_the_constraints_mean():
    with pytest.raises(ValidationError) as refused:
        Customer(code="A", name="Amina").full_clean()

    assert refused.value.messages == ["Give a phone number or an e-mail address."]


def test_is_called_by_name_and_code():
    assert str(CustomerFactory.build(name="Amina", code="A1")) == "Amina (A1)"
