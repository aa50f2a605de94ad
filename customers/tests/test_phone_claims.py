"""A phone is proved by a code, which nobody else's account, guess or old SMS can stand for."""

import re
from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from accounts.services.machines import create_machine
from accounts.services.people import create_person, delete_account
from accounts.tests.callers import Caller, bearer, employee, fresh, keeper, person
from core.phones import ImpossiblePhone
from core.tests.races import at_once
from core.tests.rest import pointers, problem, utc
from customers.exceptions import PhoneTaken, TooManyCodes, WrongCode
from customers.models import Customer, PhoneCode
from customers.services import claim_phone, send_phone_code, update_customer
from notifications.models import Message
from orders.tests.factories import OrderFactory

from .factories import CustomerFactory

pytestmark = pytest.mark.django_db

PHONE = "+254722000000"


@pytest.fixture
def amina():
    return person()


def send(user, phone=PHONE):
    """The code that a phone gets."""
    sent = send_phone_code(user=user, phone=phone)
    message = Message.objects.get(event="customer.phone_code", occurrence=str(sent.pk))
    return re.search(r"\d{6}", message.body)[0]


def wrong(code):
    return f"{(int(code) + 1) % 10**6:06}"


def customer_of(user):
    return Customer.objects.get(user=user)


class TestSend:
    def test_a_code_goes_to_the_phone_and_nobody_else_sees_it(self, amina):
        before = timezone.now()

        code = send(amina, phone="0722 000 000")

        told, sent = Message.objects.get(), PhoneCode.objects.get()
        assert (told.event, told.recipient, told.to, told.secret, told.body) == (
            "customer.phone_code",
            f"user-{amina.pk}",
            PHONE,
            True,
            f"Duka: {code} is your code to confirm this phone. Do not give it to anybody.",
        )
        assert (sent.user, sent.phone, sent.tries_left) == (amina, PHONE, 5)
        assert before <= sent.expires_at - timedelta(minutes=10) <= timezone.now()
        assert code not in str(PhoneCode.objects.values_list("phone", "digest"))

    def test_what_is_no_phone_is_refused(self, amina):
        with pytest.raises(ImpossiblePhone):
            send_phone_code(user=amina, phone="12")
        assert not PhoneCode.objects.exists()

    @pytest.mark.parametrize(
        "phone",
        ["+19005551234", "+88216123456", "020 2222222", "0800 723 253", "0900 123 456"],
        ids=["premium rate", "satellite", "landline", "toll-free", "premium rate here"],
    )
    def test_what_is_no_ordinary_mobile_is_refused(self, amina, phone):
        response = Caller(amina).post("/me/phone/", {"phone": phone})

        assert response.status_code == 400
        assert pointers(response) == [("/phone", "impossible_phone")]
        assert not PhoneCode.objects.exists()

    @pytest.mark.parametrize(
        "phone", ["0110 000 000", "+447770 123456", "+1 (202) 555-0143", "+256 772 000000"]
    )
    def test_mobiles_of_other_countries_get_one(self, amina, phone):
        assert Caller(amina).post("/me/phone/", {"phone": phone}).status_code == 202

    def test_an_account_gets_five_an_hour(self, amina):
        for number in range(5):
            send(amina, phone=f"+25472200000{number}")

        with pytest.raises(TooManyCodes):
            send(amina, phone="+254722000009")

        PhoneCode.objects.update(created_at=timezone.now() - timedelta(minutes=61))
        assert send(amina)

    def test_so_does_a_phone_whoever_asks(self, amina):
        for number in range(5):
            send(person(f"Other {number}"))

        with pytest.raises(TooManyCodes):
            send(amina)
        assert Message.objects.count() == 5

    def test_leaving_and_registering_anew_brings_no_more(self):
        for number in range(5):
            user = person(f"Somebody {number}")
            send(user)
            delete_account(user=user)

        with pytest.raises(TooManyCodes):
            send(person("Another"))

    @pytest.mark.django_db(transaction=True)
    def test_at_once_it_gets_no_more(self):
        users = [person(f"Somebody {number}") for number in range(10)]

        outcomes = at_once([partial(send_phone_code, user=each, phone=PHONE) for each in users])

        assert sorted(type(each).__name__ for each in outcomes) == (
            ["PhoneCode"] * 5 + ["TooManyCodes"] * 5
        )

    @pytest.mark.django_db(transaction=True)
    def test_at_once_an_account_gets_no_more(self):
        amina = person()
        phones = [f"+2547220000{number:02}" for number in range(10)]

        outcomes = at_once([partial(send_phone_code, user=amina, phone=each) for each in phones])

        assert len([each for each in outcomes if isinstance(each, TooManyCodes)]) == 5


class TestClaim:
    def test_a_record_without_an_account_becomes_theirs_with_its_orders(self, amina):
        known = CustomerFactory.create(phone=PHONE, name="Mama Amina", email="")
        made, old = customer_of(amina), OrderFactory.create(customer=known)
        new = OrderFactory.create(customer=made)

        claimed = claim_phone(user=amina, code=send(amina))

        assert claimed == known
        known.refresh_from_db()
        assert (known.user, known.name, known.email, known.phone) == (
            amina,
            "Amina",
            "amina@example.com",
            PHONE,
        )
        assert list(Customer.objects.all()) == [known]
        for order in (old, new):
            order.refresh_from_db()
            assert order.customer == known

    def test_what_was_told_to_the_merged_record_is_theirs_still(self, amina):
        CustomerFactory.create(phone=PHONE)
        OrderFactory.create(customer=customer_of(amina))
        told = Message.objects.get()

        claimed = claim_phone(user=amina, code=send(amina))

        told.refresh_from_db()
        assert told.recipient == claimed.code

    def test_without_a_record_theirs_gets_the_number(self, amina):
        made = customer_of(amina)

        assert claim_phone(user=amina, code=send(amina)) == made

        assert customer_of(amina).phone == PHONE

    def test_who_is_no_customer_yet_becomes_one(self):
        user = create_person(issuer="https://login.example", subject="7")

        made = claim_phone(user=user, code=send(user))

        assert (made.user, made.name, made.phone, made.email) == (user, PHONE, PHONE, "")

    def test_the_same_number_again_changes_nothing(self, amina):
        first = claim_phone(user=amina, code=send(amina))

        assert claim_phone(user=amina, code=send(amina)) == first
        assert Customer.objects.count() == 1

    def test_of_several_records_with_the_number_one_is_claimed(self, amina):
        first, second = CustomerFactory.create_batch(2, phone=PHONE)

        assert claim_phone(user=amina, code=send(amina)) == first
        second.refresh_from_db()
        assert second.user is None

    def test_the_number_of_another_account_is_not_taken(self, amina):
        halima = person("Halima")
        update_customer(customer_id=customer_of(halima).pk, phone=PHONE)
        code = send(amina)

        with pytest.raises(PhoneTaken):
            claim_phone(user=amina, code=code)

        assert (customer_of(halima).phone, customer_of(amina).phone) == (PHONE, "")

    @pytest.mark.parametrize("claimer", [keeper, partial(employee, "manage_customers")])
    def test_who_may_write_numbers_into_records_claims_none(self, claimer):
        """Or they could put their own into anybody's, and read that person's orders."""
        known, user = CustomerFactory.create(phone=PHONE, email=""), claimer()
        before = Customer.objects.filter(pk=known.pk).values().get()

        response = Caller(user).post("/me/phone/confirm/", {"code": send(user)})

        assert response.status_code == 409
        assert response.json() == problem(
            response,
            code="phone_taken",
            detail="A customer record has this number, and you may change customers' numbers."
            " Take it out of that record first; its orders stay there.",
        )
        assert Customer.objects.filter(pk=known.pk).values().get() == before

        update_customer(customer_id=known.pk, phone="", email="known@example.com")
        assert claim_phone(user=user, code=send(user)) == customer_of(user)
        assert customer_of(user).phone == PHONE

    def test_who_may_only_see_customers_claims_as_others_do(self):
        known, baraka = CustomerFactory.create(phone=PHONE), employee("see_orders")

        assert claim_phone(user=baraka, code=send(baraka)) == known

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("times", range(3))
    def test_of_two_who_claim_a_record_at_once_one_gets_it(self, times):
        known, users = CustomerFactory.create(phone=PHONE), [person("Amina"), person("Halima")]
        calls = [partial(claim_phone, user=each, code=send(each)) for each in users]

        outcomes = at_once(calls)

        assert sorted(type(each).__name__ for each in outcomes) == ["Customer", "PhoneTaken"]
        known.refresh_from_db()
        assert known.user in users
        assert Customer.objects.filter(phone=PHONE).count() == 1


class TestCode:
    def test_it_counts_once(self, amina):
        code = send(amina)
        claim_phone(user=amina, code=f" {code} ")

        with pytest.raises(WrongCode):
            claim_phone(user=amina, code=code)

    def test_after_five_wrong_ones_the_right_one_is_wrong(self, amina):
        code = send(amina)
        for left in (4, 3, 2, 1, 0):
            with pytest.raises(WrongCode) as refused:
                claim_phone(user=amina, code=wrong(code))
            assert PhoneCode.objects.get().tries_left == left

        with pytest.raises(WrongCode) as last:
            claim_phone(user=amina, code=code)
        assert last.value.detail == refused.value.detail
        assert (last.value.errors[0].path, last.value.errors[0].code) == (("code",), "wrong_code")
        assert customer_of(amina).phone == ""

    @pytest.mark.parametrize("code", ["", "12345", "\u0661\u0662\u0663\u0664\u0665\u0666", "\x00"])
    def test_nonsense_is_wrong(self, amina, code):
        send(amina)

        with pytest.raises(WrongCode):
            claim_phone(user=amina, code=code)

    def test_an_expired_one_is_wrong(self, amina):
        code = send(amina)
        PhoneCode.objects.update(expires_at=timezone.now())

        with pytest.raises(WrongCode):
            claim_phone(user=amina, code=code)

    def test_only_the_last_one_sent_counts(self, amina):
        first, last = send(amina), send(amina)
        while last == first:
            last = send(amina)
        for _ in range(5):
            with pytest.raises(WrongCode):
                claim_phone(user=amina, code=first)

        # Its tries are over, and those of the one before do not begin.
        with pytest.raises(WrongCode):
            claim_phone(user=amina, code=first)

    def test_another_users_does_not_work(self, amina):
        halima = person("Halima")
        code = send(amina)
        send(halima)
        PhoneCode.objects.filter(user=halima).update(digest="x")

        with pytest.raises(WrongCode):
            claim_phone(user=halima, code=code)

        assert claim_phone(user=amina, code=code).user == amina

    @pytest.mark.django_db(transaction=True)
    def test_guessing_at_once_gets_no_more_tries(self):
        amina = person()
        code = send(amina)
        guesses = [f"{(int(code) + number) % 10**6:06}" for number in range(1, 21)]

        outcomes = at_once(
            [partial(claim_phone, user=fresh(amina), code=each) for each in guesses], threads=10
        )

        assert {type(each) for each in outcomes} == {WrongCode}
        assert PhoneCode.objects.get().tries_left == 0
        with pytest.raises(WrongCode):
            claim_phone(user=amina, code=code)

    @pytest.mark.django_db(transaction=True)
    def test_the_right_one_at_once_works_once(self):
        amina = person()
        code = send(amina)

        outcomes = at_once([partial(claim_phone, user=amina, code=code)] * 4)

        assert sorted(type(each).__name__ for each in outcomes) == ["Customer"] + ["WrongCode"] * 3


class TestRest:
    def test_a_phone_is_proved(self, amina):
        known = CustomerFactory.create(code="C7", phone=PHONE, language="sw")
        api = Caller(amina)

        sent = api.post("/me/phone/", {"phone": "0722 000 000"})
        code = re.search(r"\d{6}", Message.objects.get().body)[0]
        proved = api.post("/me/phone/confirm/", {"code": code})

        assert (sent.status_code, sent.json()) == (
            202,
            {"phone": PHONE, "expires_at": utc(PhoneCode.objects.get().expires_at)},
        )
        known.refresh_from_db()
        assert (proved.status_code, proved.json()) == (
            200,
            {
                "code": "C7",
                "name": "Amina",
                "phone": PHONE,
                "email": "amina@example.com",
                "language": "sw",
                "created_at": utc(known.created_at),
                "updated_at": utc(known.updated_at),
            },
        )
        assert api.get("/me/customer/").json() == proved.json()

    def test_a_wrong_code_uses_up_a_try_and_names_the_field(self, amina):
        code = send(amina)

        response = Caller(amina).post("/me/phone/confirm/", {"code": wrong(code)})

        assert response.status_code == 400
        detail = "This code is not valid. Check it, or ask for another."
        assert response.json() == problem(
            response,
            code="wrong_code",
            detail=detail,
            errors=[("/code", "wrong_code", detail)],
        )
        assert PhoneCode.objects.get().tries_left == 4

    def test_a_key_that_is_sent_again_gives_no_try_back(self, amina):
        code = send(amina)
        for left in (4, 3):
            response = Caller(amina).post(
                "/me/phone/confirm/", {"code": wrong(code)}, idempotency_key="one"
            )
            assert response.status_code == 400
            assert PhoneCode.objects.get().tries_left == left

    def test_of_another_account_it_is_409(self, amina):
        update_customer(customer_id=customer_of(person("Halima")).pk, phone=PHONE)

        response = Caller(amina).post("/me/phone/confirm/", {"code": send(amina)})

        assert response.status_code == 409
        assert response.json() == problem(
            response,
            code="phone_taken",
            detail="Another account has this number. Please ask the shop to help.",
        )

    def test_too_many_are_429(self, amina):
        api = Caller(amina)
        for _ in range(5):
            assert api.post("/me/phone/", {"phone": PHONE}).status_code == 202

        response = api.post("/me/phone/", {"phone": PHONE})

        assert response.status_code == 429
        assert response.json() == problem(
            response, code="throttled", detail="Too many codes were sent. Try again in an hour."
        )

    @pytest.mark.parametrize(
        ("path", "body", "expected"),
        [
            ("/me/phone/", {}, [("/phone", "required")]),
            ("/me/phone/", {"phone": "12"}, [("/phone", "impossible_phone")]),
            ("/me/phone/", {"phone": PHONE, "user": 1}, [("/user", "unknown_field")]),
            ("/me/phone/confirm/", {}, [("/code", "required")]),
            ("/me/phone/confirm/", {"code": 7, "phone": PHONE}, [("/phone", "unknown_field")]),
        ],
    )
    def test_what_is_wrong_is_named(self, amina, path, body, expected):
        assert pointers(Caller(amina).post(path, body)) == expected

    def test_a_machine_has_no_phone(self):
        till, _ = create_machine(by=None, name="Till")

        response = Caller().post("/me/phone/", {"phone": PHONE}, **bearer(till.client_id))

        assert response.status_code == 409
        assert response.json() == problem(
            response, code="not_for_machines", detail="Only people can prove a phone number."
        )
        assert not PhoneCode.objects.exists()

    @pytest.mark.parametrize("path", ["/me/phone/", "/me/phone/confirm/"])
    def test_strangers_are_401(self, path):
        assert Caller().post(path, {"phone": PHONE, "code": "1"}).status_code == 401
