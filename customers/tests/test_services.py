"""Making, changing and deleting customers."""

import pytest
from django.utils import timezone

from accounts.tests.factories import UserFactory
from core.errors import InvalidInput
from core.phones import ImpossiblePhone
from core.sequences import next_value
from core.tests.races import at_once
from customers import services
from customers.exceptions import CodeTaken, Forgotten, HasOrders
from customers.models import Customer
from orders.tests.factories import OrderFactory

from .factories import CustomerFactory

pytestmark = pytest.mark.django_db


def test_create_customer_keeps_what_was_given():
    user = UserFactory.create()

    made = services.create_customer(
        name="Amina",
        code="VIP-1",
        phone="0722 000 000",
        email="amina@example.com",
        language="sw",
        user=user,
    )

    assert Customer.objects.filter(pk=made.pk).values_list(
        "code", "name", "phone", "email", "language", "user"
    ).get() == ("VIP-1", "Amina", "+254722000000", "amina@example.com", "sw", user.pk)


def test_who_asked_to_be_forgotten_is_not_written_again():
    customer = CustomerFactory.create(name="Former customer", forgotten_at=timezone.now())
    before = Customer.objects.values().get()

    for changes in ({"name": "Amina"}, {"phone": "0722000000"}, {"user": UserFactory.create()}, {}):
        with pytest.raises(Forgotten, match="They asked to be forgotten"):
            services.update_customer(customer_id=customer.pk, **changes)

    assert Customer.objects.values().get() == before


def test_create_customer_makes_codes_that_count_up():
    last = next_value("customer_code")

    made = [services.create_customer(name="Amina", email="a@example.com") for _ in range(3)]

    assert [customer.code for customer in made] == [f"C{last + n}" for n in (1, 2, 3)]


def test_create_customer_skips_codes_that_were_given_by_hand():
    last = next_value("customer_code")
    CustomerFactory.create(code=f"C{last + 1}")
    CustomerFactory.create(code=f"C{last + 2}")

    made = services.create_customer(name="Amina", email="a@example.com")

    assert made.code == f"C{last + 3}"


def test_create_customer_refuses_a_taken_code():
    CustomerFactory.create(code="A")

    with pytest.raises(CodeTaken) as refused:
        services.create_customer(name="Amina", code="A", email="a@example.com")

    assert [(error.path, error.code) for error in refused.value.errors] == [(("code",), "taken")]
    assert Customer.objects.count() == 1


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("+447770 123456", "+447770123456"),
        ("0722 000 000", "+254722000000"),
        ("0722-000-000", "+254722000000"),
        ("(0722) 000000", "+254722000000"),
        ("254722000000", "+254722000000"),
        ("+254 (0)722 000 000", "+254722000000"),
        ("000254722000000", "+254722000000"),  # as Kenya dials abroad
        ("0110 000 000", "+254110000000"),
        ("020 2222222", "+254202222222"),
        ("+1 202 555 0123", "+12025550123"),
        ("", ""),
    ],
)
def test_phones_are_kept_in_e164(written, kept):
    made = services.create_customer(name="Amina", phone=written, email="a@example.com")

    assert Customer.objects.get(pk=made.pk).phone == kept


@pytest.mark.parametrize(
    "written",
    ["1", "0722", "07220000000", "+999 123456", "no phone", "+", "+254 722 000 00", "0" * 32],
)
def test_impossible_phones_are_refused(written):
    with pytest.raises(ImpossiblePhone) as refused:
        services.create_customer(name="Amina", phone=written, email="a@example.com")

    assert [error.path for error in refused.value.errors] == [("phone",)]
    assert not Customer.objects.exists()


def test_a_valid_number_too_short_for_e164_is_refused_like_an_impossible_one():
    # A universal access number of Iran, six digits with its country code.
    with pytest.raises(ImpossiblePhone) as refused:
        services.create_customer(name="Amina", phone="+989601")

    assert [error.path for error in refused.value.errors] == [("phone",)]


def test_email_is_kept_in_lower_case_without_spaces_around():
    made = services.create_customer(name="Amina", email="  Amina@Example.COM ")

    assert Customer.objects.get(pk=made.pk).email == "amina@example.com"


@pytest.mark.parametrize("fields", [{}, {"phone": ""}, {"phone": "", "email": "  "}])
def test_a_customer_needs_phone_or_email(fields):
    with pytest.raises(InvalidInput) as refused:
        services.create_customer(name="Amina", **fields)

    assert [(error.path, error.code) for error in refused.value.errors] == [
        (("phone",), "required"),
        (("email",), "required"),
    ]


def test_update_customer_changes_only_what_is_named():
    customer = CustomerFactory.create(
        code="A", name="Amina", phone="+254722000000", email="a@example.com", language="sw"
    )

    services.update_customer(customer_id=customer.pk, phone="0733 000 000")

    customer.refresh_from_db()
    assert (customer.code, customer.name, customer.phone, customer.email, customer.language) == (
        "A",
        "Amina",
        "+254733000000",
        "a@example.com",
        "sw",
    )


def test_update_customer_refuses_to_take_the_last_way_to_reach_them():
    customer = CustomerFactory.create(phone="+254722000000", email="")

    with pytest.raises(InvalidInput):
        services.update_customer(customer_id=customer.pk, phone="")

    customer.refresh_from_db()
    assert customer.phone == "+254722000000"


def test_update_customer_refuses_a_taken_code():
    CustomerFactory.create(code="A")
    customer = CustomerFactory.create(code="B")

    with pytest.raises(CodeTaken):
        services.update_customer(customer_id=customer.pk, code="A")

    customer.refresh_from_db()
    assert customer.code == "B"


def test_hold_customer_returns_them_as_they_are_now():
    stale = CustomerFactory.create(name="Amina")
    Customer.objects.filter(pk=stale.pk).update(name="Amina Otieno")

    held = services.hold_customer(customer_id=stale.pk)

    assert (held, held.name) == (stale, "Amina Otieno")


def test_hold_customer_raises_for_the_deleted_and_the_forgotten():
    gone = CustomerFactory.create(forgotten_at=timezone.now())

    for key in (0, gone.pk):
        with pytest.raises(Customer.DoesNotExist):
            services.hold_customer(customer_id=key)


def test_delete_customer_removes_who_never_ordered():
    customer, other = CustomerFactory.create_batch(2)

    services.delete_customer(customer_id=customer.pk)

    assert list(Customer.objects.all()) == [other]


def test_delete_customer_refuses_who_has_ordered():
    order = OrderFactory.create()

    with pytest.raises(HasOrders, match=r"^They have orders, so they cannot be deleted\.$"):
        services.delete_customer(customer_id=order.customer_id)

    assert Customer.objects.filter(pk=order.customer_id).exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_racing_for_one_code_one_gets_it():
    outcomes = at_once(
        [
            lambda: services.create_customer(name="Amina", code="VIP", email="a@example.com")
            for _ in range(12)
        ]
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["CodeTaken"] * 11 + [
        "Customer"
    ]
    assert Customer.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_changing_to_one_code_one_gets_it():
    customers = CustomerFactory.create_batch(8)

    outcomes = at_once(
        [
            lambda customer=customer: services.update_customer(customer_id=customer.pk, code="VIP")
            for customer in customers
        ]
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["CodeTaken"] * 7 + [
        "Customer"
    ]
    assert Customer.objects.filter(code="VIP").count() == 1


@pytest.mark.django_db(transaction=True)
def test_made_codes_never_collide_with_each_other_or_with_racing_ones_given_by_hand():
    last = next_value("customer_code")

    def make(code=""):
        return services.create_customer(name="Amina", code=code, email="a@example.com")

    by_hand = [lambda n=n: make(f"C{last + n}") for n in range(1, 21)]
    outcomes = at_once([call for each in by_hand for call in (each, make)])

    given, made = outcomes[::2], outcomes[1::2]
    assert {type(outcome).__name__ for outcome in made} == {"Customer"}
    assert {type(outcome).__name__ for outcome in given} <= {"Customer", "CodeTaken"}
    codes = [outcome.code for outcome in outcomes if isinstance(outcome, Customer)]
    assert len(set(codes)) == len(codes) == Customer.objects.count()
