"""In what words an event is told: the shop's own, by language and version."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.tests.factories import StaffFactory, browser_of
from bookings.signals import BOOKING_EVENTS
from core.errors import InvalidInput
from core.events import Notice, Recipient, find_event
from core.tests.rest import pointers
from customers.models import Customer
from customers.tests.factories import CustomerFactory
from notifications import tasks
from notifications.models import Message, Template, TemplateVersion
from notifications.services import (
    change_template,
    check_text,
    make_link,
    preview,
    queue_message,
    sync_templates,
    words_of,
)
from orders import services as orders
from orders import signals
from orders.signals import ORDER_EVENTS
from orders.tests.factories import OrderFactory
from orders.tests.shop import goods
from orders.tests.shop import order_of as order_at
from shipping.signals import SHIPMENT_EVENTS

from .factories import MessageFactory

pytestmark = pytest.mark.django_db

PLACED = signals.order_placed
NOTICE = Notice(
    occurrence="1",
    subject="order",
    reference="1001",
    recipient=Recipient(reference="C1", phone="+254722000001", language="en"),
    data={"customer": "Ann", "number": "1001", "total": "KES 5.00", "shop": "D", "reason": ""},
)


@pytest.fixture(autouse=True)
def templates():
    sync_templates()


def template(language="en", event="order.placed"):
    return Template.objects.get(event=event, language=language)


def order_of(**pieces):
    goods()
    return order_at(**pieces)


def tell(text, language="en"):
    return change_template(template_id=template(language).pk, text=text, by=None)


def words(language):
    found = words_of(PLACED, language)
    return found.text, found.language, found.version and found.version.number


class TestWhichWords:
    def test_without_the_shop_s_own_they_are_those_that_came_with_the_event(self):
        assert words("en") == (PLACED.texts["en"], "en", None)
        assert words("sw") == (PLACED.texts["sw"], "sw", None)

    def test_the_shop_s_are_of_one_language_alone(self):
        tell("Asante {customer}", "sw")

        assert words("sw") == ("Asante {customer}", "sw", 1)
        assert words("en") == (PLACED.texts["en"], "en", None)

    def test_a_language_without_any_is_told_in_the_shop_s_own(self, monkeypatch):
        tell("Thanks {customer}")
        assert words("fr") == ("Thanks {customer}", "en", 1)

        monkeypatch.delitem(PLACED.texts, "sw")
        assert words("sw") == ("Thanks {customer}", "en", 1)
        tell("Asante", "sw")
        assert words("sw") == ("Asante", "sw", 1)

    def test_the_newest_version_counts_and_all_are_kept(self):
        tell("One")
        tell("Two")
        tell("Three")

        assert words("en") == ("Three", "en", 3)
        versions = TemplateVersion.objects.filter(template=template()).order_by("number")
        assert list(versions.values_list("number", "text")) == [
            (1, "One"),
            (2, "Two"),
            (3, "Three"),
        ]

    def test_an_empty_text_goes_back_to_those_that_came_with_the_event(self):
        tell("One")
        tell("  ")

        assert words("en") == (PLACED.texts["en"], "en", 2)

    def test_the_same_text_again_is_no_version(self):
        first = tell("One")

        assert tell(" One ") == first
        assert TemplateVersion.objects.count() == 1

    def test_a_version_says_who_wrote_it(self, shopkeeper):
        version = change_template(template_id=template().pk, text="One", by=shopkeeper)

        assert (version.by, str(version)) == (shopkeeper, "order.placed (en), version 1")

    def test_every_event_has_a_template_in_each_language_however_often_it_is_looked(self):
        Template.objects.filter(event="order.placed").delete()

        for _ in range(2):
            tasks.sync_templates.call()

        pairs = list(Template.objects.values_list("event", "language"))
        assert len(pairs) == len(set(pairs))
        assert {("order.placed", "en"), ("order.placed", "sw"), ("consent.help", "sw")} <= set(
            pairs
        )


class TestMessages:
    def test_a_message_names_the_version_that_it_was_told_by(self, api):
        tell("Thanks {customer}, {number}")
        tell("Thank you {customer}, {number}")

        message = queue_message(event=PLACED, notice=NOTICE)
        tell("Another")

        assert (message.body, message.template.number) == ("Thank you Ann, 1001", 2)
        assert api.get(f"/messages/{message.pk}/").json()["template_version"] == 2

    def test_each_customer_is_told_in_their_language(self):
        tell("Asante {customer}", "sw")
        swahili = replace(NOTICE.recipient, reference="C2", language="sw")
        french = replace(NOTICE.recipient, reference="C3", language="fr")

        told = [
            queue_message(event=PLACED, notice=replace(NOTICE, recipient=each))
            for each in (swahili, french)
        ]

        assert (told[0].language, told[0].body) == ("sw", "Asante Ann")
        assert (told[1].language, told[1].body[:17]) == ("en", "D: thank you, Ann")

    def test_values_are_filled_in_as_they_are(self):
        tell("{{{customer}}} {number}")
        data = {**NOTICE.data, "customer": "{shop} {0.__class__}"}

        message = queue_message(event=PLACED, notice=replace(NOTICE, data=data))

        assert message.body == "{{shop} {0.__class__}} 1001"

    def test_its_size_is_known_before_it_goes_out(self):
        tell("ĩ" * 71)

        message = queue_message(event=PLACED, notice=NOTICE)

        assert (message.encoding, message.segments) == ("ucs-2", 2)

    def test_words_without_a_link_make_none(self):
        tell("{number}")

        queue_message(event=PLACED, notice=NOTICE)

        assert not Message.objects.exclude(body="1001").exists()

    def test_a_version_that_told_something_is_not_deleted(self):
        version = tell("{number}")
        queue_message(event=PLACED, notice=NOTICE)

        with pytest.raises(Exception, match="protected foreign keys"):
            version.delete()


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "code", "detail"),
        [
            ("{nmae} {number}", "unknown_variable", "Unknown: {nmae}. There are {customer},"),
            ("{b} {a}", "unknown_variable", "Unknown: {a}, {b}. There are"),
            ("{}", "unknown_variable", "Unknown: {}. There are"),
            ("{0}", "unknown_variable", "Unknown: {0}. There are"),
            ("{customer.__class__}", "unknown_variable", "Unknown: {customer.__class__}."),
            ("{customer[0]}", "unknown_variable", "Unknown: {customer[0]}."),
            ("{customer:>{width}}", "unknown_variable", "Unknown: {width}."),
            ("{customer", "malformed", "A brace has no partner."),
            ("customer}", "malformed", "A brace has no partner."),
            ("{customer!r}", "malformed", "Name variables alone, such as {customer}."),
            ("{customer:>999999999999}", "malformed", "Name variables alone, such as"),
            ("{customer:>{number}}", "malformed", "Name variables alone, such as"),
            ("a" * 1001, "max_length", "At most 1000 characters."),
            ("a\x00b", "invalid", "It has characters that no SMS can hold."),
        ],
    )
    def test_words_that_cannot_be_used_are_refused_by_name(self, text, code, detail):
        with pytest.raises(InvalidInput) as refused:
            tell(text)

        [error] = refused.value.errors
        assert (error.path, error.code) == (("text",), code)
        assert error.detail.startswith(detail)
        assert not TemplateVersion.objects.exists()

    def test_all_that_an_event_has_and_braces_to_be_seen_may_be_used(self):
        for event in (PLACED, find_event("consent.help")):
            check_text(event.code, " ".join(f"{{{name}}}" for name in event.variables) + " {{}}")

    def test_an_event_that_is_no_more_has_no_words(self):
        with pytest.raises(InvalidInput, match="Nothing is told of this any more"):
            check_text("order.over", "Hello")


class TestPreview:
    def test_on_a_real_order_it_is_what_its_customer_would_read(self):
        order = OrderFactory.create(customer=CustomerFactory.create(name="Wanjirũ"))

        shown = preview(template=template(), text="{customer}: {number}", reference=order.number)

        assert shown.body == f"Wanjirũ: {order.number}"
        assert (shown.encoding, shown.units, shown.segments) == ("ucs-2", len(shown.body), 1)
        assert (shown.cost_amount, shown.cost_currency) == (None, "")

    def test_without_an_order_it_is_of_examples(self):
        tell("{customer}: {number} €")

        shown = preview(template=template())

        assert (shown.body, shown.units) == ("Wanjiru Kamau: 1001 €", 22)

    def test_an_order_need_not_have_been_told_of_it(self):
        order = order_of(customer=CustomerFactory.create(name="Njeri"), status="draft", TEA=2)

        for event in ORDER_EVENTS:
            shown = preview(
                template=template(event=event.code),
                text="{shop} {customer} {number} {total} {reason}",
                reference=order.number,
            )
            assert shown.body == f"Duka Njeri {order.number} KES 25.00 We are sold out."
        assert not Message.objects.exists()

    def test_what_was_said_when_it_was_told_is_shown_and_the_rest_as_it_is_now(self):
        customer = CustomerFactory.create(name="Njeri")
        order = order_of(customer=customer, TEA=2)
        orders.reject_order(order_id=order.pk, by=None, reason="No tea.")
        Customer.objects.update(name="Njeri Mwangi")

        shown = preview(
            template=template(event="order.rejected"),
            text="{customer}: {reason}",
            reference=order.number,
        )

        assert shown.body == "Njeri Mwangi: No tea."

    def test_it_is_word_for_word_what_goes_out(self):
        order = order_of(TEA=2)
        orders.accept_order(order_id=order.pk, by=None)
        text = "  Order {number}  {reason} of {customer} "
        change_template(template_id=template(event="order.fulfilled").pk, text=text, by=None)
        before = preview(template=template(event="order.fulfilled"), reference=order.number)

        orders.fulfil_order(order_id=order.pk, by=None)

        told = Message.objects.get(event="order.fulfilled")
        assert told.body == f"Order {order.number} of {order.customer.name}"
        again = preview(template=template(event="order.fulfilled"), reference=order.number)
        assert (again.body, again.segments) == (told.body, told.segments)
        # Until then the reason is the example's.
        assert before.body == f"Order {order.number} We are sold out. of {order.customer.name}"

    def test_its_link_is_as_long_as_a_real_one(self, settings):
        settings.SHOP_URL = "https://a-shop-with-a-long-name.example.com"
        order = OrderFactory.create()
        real = make_link(subject="order", reference=order.number, language="en")
        [token] = re.findall("/t/[0-9]+-(.*)", real)

        shown = preview(template=template(), text="{link}", reference=order.number)

        assert shown.body == f"{settings.SHOP_URL}/t/10001-{'x' * len(token)}"
        assert preview(template=template(), text="{link}").body == shown.body
        assert preview(template=template(event="account.invited"), text="{link}").body == (
            "https://shop.example/invitations/k3Jx/"
        )

    def test_its_cost_is_that_of_so_many_sms_of_late(self):
        MessageFactory.create(segments=1, cost_amount="9", cost_currency="UGX")
        MessageFactory.create(segments=2, cost_amount="1.6", cost_currency="KES")
        MessageFactory.create(segments=1)

        shown = preview(template=template(), text="a" * 307)

        assert (shown.segments, shown.cost_amount) == (3, Decimal("2.4"))
        assert shown.cost_currency == "KES"

    @pytest.mark.parametrize("event", ["order.placed", "consent.help", "customer.phone_code"])
    def test_what_there_is_not_is_refused_at_the_reference(self, event):
        with pytest.raises(InvalidInput, match="There is no such thing") as refused:
            preview(template=template(event=event), reference="9999")

        [error] = refused.value.errors
        assert (error.path, error.code) == (("reference",), "does_not_exist")

    def test_nothing_is_stored_by_it(self):
        order = OrderFactory.create()
        before = list(Message.objects.values())

        preview(template=template(), text="{link}", reference=order.number)

        assert list(Message.objects.values()) == before
        assert not TemplateVersion.objects.exists()


class TestRest:
    def test_a_template_has_exactly_these_members(self, api):
        row = template(event="consent.help", language="sw")

        assert api.get(f"/message-templates/{row.pk}/").json() == {
            "id": row.pk,
            "event": "consent.help",
            "language": "sw",
            "text": find_event("consent.help").texts["sw"],
            "version": None,
            "variables": ["shop"],
        }

    def test_they_are_listed_by_event_and_language(self, api):
        found = api.get("/message-templates/?event=order.placed&language=sw").json()["results"]

        assert [(each["event"], each["language"]) for each in found] == [("order.placed", "sw")]

    def test_those_of_events_that_are_no_more_are_left_out(self, api, admin):
        gone = Template.objects.create(event="order.over", language="en")

        assert api.get("/message-templates/?event=order.over").json()["results"] == []
        assert api.get(f"/message-templates/{gone.pk}/").status_code == 404
        listed = admin.get(reverse("admin:notifications_template_changelist"))
        assert "order.over" not in listed.content.decode()

    def test_new_words_are_a_new_version(self, api, shopkeeper):
        path = f"/message-templates/{template().pk}/"

        answer = api.patch(path, {"text": "Thanks {customer}"})
        assert (answer.status_code, answer.json()["text"]) == (200, "Thanks {customer}")
        assert answer.json()["version"] == 1

        back = api.patch(path, {"text": ""}).json()
        assert (back["text"], back["version"]) == (PLACED.texts["en"], 2)
        assert {version.by for version in TemplateVersion.objects.all()} == {shopkeeper}

    @pytest.mark.parametrize(
        ("text", "code"), [("{nmae}", "unknown_variable"), ("{customer", "malformed")]
    )
    def test_words_that_cannot_be_used_are_a_400_at_text(self, api, text, code):
        path = f"/message-templates/{template().pk}/"

        assert pointers(api.patch(path, {"text": text})) == [("/text", code)]
        assert pointers(api.post(f"{path}preview/", {"text": text})) == [("/text", code)]
        assert not TemplateVersion.objects.exists()

    def test_a_preview_says_what_it_takes(self, api):
        order = OrderFactory.create()
        MessageFactory.create(segments=1, cost_amount="0.8", cost_currency="KES")

        answer = api.post(
            f"/message-templates/{template().pk}/preview/",
            {"text": "{number}", "reference": order.number},
        )

        assert answer.status_code == 200
        assert answer.json() == {
            "body": order.number,
            "encoding": "gsm-7",
            "units": len(order.number),
            "segments": 1,
            "cost_amount": "0.800000",
            "cost_currency": "KES",
        }

    def test_a_preview_of_what_there_is_not_is_a_400_at_the_reference(self, api):
        answer = api.post(f"/message-templates/{template().pk}/preview/", {"reference": "9999"})

        assert pointers(answer) == [("/reference", "does_not_exist")]

    def test_a_page_costs_the_same_for_one_event_and_for_three(self, api):
        def statements(query):
            with CaptureQueriesContext(connection) as seen:
                assert api.get(f"/message-templates/{query}").status_code == 200
            return len(seen)

        tell("One")
        assert statements("?event=order.placed&language=en") == statements("?search=order.")


class TestAdmin:
    def page(self):
        return reverse("admin:notifications_template_change", args=[template().pk])

    def form(self, **fields):
        return {
            "text": "",
            "reference": "",
            "versions-TOTAL_FORMS": "0",
            "versions-INITIAL_FORMS": "0",
            **fields,
        }

    def test_the_list_shows_the_words_of_now_and_what_they_take(self, admin):
        tell("Mine {number}")
        response = admin.get(reverse("admin:notifications_template_changelist"), {"q": "placed"})

        assert response.status_code == 200
        assert "Mine {number}" in response.content.decode()
        assert "Tumepokea oda yako {number}" in response.content.decode()

    def test_the_list_costs_the_same_for_one_template_and_for_three(self, admin, monkeypatch):
        # Of events of which none has words of its own in Swahili.
        for event in (*ORDER_EVENTS, *BOOKING_EVENTS, *SHIPMENT_EVENTS):
            monkeypatch.delitem(event.texts, "sw")
        tell("Mine {number}")

        def rows(query):
            with CaptureQueriesContext(connection) as seen:
                response = admin.get(reverse("admin:notifications_template_changelist"), query)
            return response.content.decode(), len(response.context["cl"].result_list), len(seen)

        words, one, statements = rows({"q": "order.placed", "language__exact": "sw"})
        assert (one, "Mine {number}" in words) == (1, True)
        assert rows({"q": "ed", "language__exact": "sw"})[1:] == (16, statements)

    def test_words_are_shown_on_a_real_order_without_being_saved(self, admin):
        order = OrderFactory.create()

        response = admin.post(
            self.page(), self.form(text="Got {number} ĩ", reference=order.number, _show="1")
        )

        page = response.content.decode()
        assert f"Got {order.number} ĩ<br>" in page
        size = f"{len(order.number) + 6} characters, 1 SMS, as some letters need more room"
        assert size in page
        assert response.context["adminform"].form["text"].value() == "Got {number} ĩ"
        assert not TemplateVersion.objects.exists()

    def test_without_words_those_that_came_with_the_event_are_shown(self, admin):
        tell("Mine {number}")

        page = admin.post(self.page(), self.form(_show="1")).content.decode()

        assert "Duka: thank you, Wanjiru Kamau. We have your order 1001" in page

    @pytest.mark.parametrize("save", [{}, {"_show": "1"}])
    def test_a_wrong_reference_and_wrong_words_are_told_at_their_fields(self, admin, save):
        wrong = self.form(text="{nmae}", reference="9999", **save)
        assert set(admin.post(self.page(), wrong).context["adminform"].form.errors) == {"text"}

        unknown = self.form(text="{number}", reference="9999", _show="1")
        errors = admin.post(self.page(), unknown).context["adminform"].form.errors
        assert errors == {"reference": ["There is no such thing."]}
        assert not TemplateVersion.objects.exists()

    def test_words_are_changed(self, admin, shopkeeper):
        admin.post(self.page(), self.form(text="Got {number}", reference="9999"))

        version = TemplateVersion.objects.get()
        assert (version.text, version.by) == ("Got {number}", shopkeeper)

    def test_saving_what_was_not_changed_makes_no_version(self, admin):
        form = admin.get(self.page()).context["adminform"].form

        answer = admin.post(self.page(), self.form(text=form["text"].value()))

        assert (answer.status_code, form["text"].value()) == (302, PLACED.texts["en"])
        assert not TemplateVersion.objects.exists()

    def test_an_unknown_variable_is_refused_at_its_field(self, admin):
        response = admin.post(self.page(), self.form(text="{nmae}"))

        assert response.status_code == 200
        [error] = response.context["adminform"].form.errors["text"]
        assert error.startswith("Unknown: {nmae}. There are {customer}, {number},")
        assert not TemplateVersion.objects.exists()

    def test_the_page_shows_variables_versions_and_what_an_example_takes(self, admin):
        tell("Before {number}")
        tell("Now {number}")

        text = admin.get(self.page()).content.decode()

        assert "{customer}, {number}, {total}, {shop}, {reason}, {link}" in text
        assert "Before {number}" in text
        assert "Now 1001<br><br>8 characters, 1 SMS</" in text.replace("\n", "")

    def test_the_page_says_about_what_it_costs(self, admin):
        MessageFactory.create(segments=1, cost_amount="0.8", cost_currency="KES")
        tell("a" * 161)

        assert "161 characters, 2 SMS, about KES 1.60" in admin.get(self.page()).content.decode()

    def test_who_lacks_the_right_sees_none(self):
        user = StaffFactory.create(permissions=["notifications.view_message"])

        assert browser_of(user).get(self.page()).status_code == 403


def test_the_words_of_an_order_go_out_as_the_shop_wrote_them():
    tell("Order {number} of {customer}: {total}")
    order = OrderFactory.create(customer=CustomerFactory.create(name="Ann"))

    assert Message.objects.get().body == f"Order {order.number} of Ann: {total_of(order)}"
    orders.cancel_order(order_id=order.pk, by=None)
    assert Message.objects.get(event="order.cancelled").template is None


def total_of(order):
    return Message.objects.get(event="order.placed").data["total"]
