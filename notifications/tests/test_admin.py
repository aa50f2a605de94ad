"""Messages in the admin: to be seen, and moved by hand."""

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.tests.factories import StaffFactory, browser_of
from notifications import services
from notifications.models import (
    Callback,
    Consent,
    ConsentChange,
    InboundMessage,
    Message,
    StatusLink,
)
from notifications.services import is_opted_out, make_link, note_consent
from orders.tests.factories import OrderFactory

from .factories import MessageFactory
from .outbox import statuses

LIST = reverse("admin:notifications_message_changelist")


def test_messages_are_listed_filtered_and_found(admin):
    order = OrderFactory.create()

    for query in ({}, {"status__exact": "queued"}, {"q": order.number}):
        response = admin.get(LIST, query)
        assert [row.reference for row in response.context["cl"].result_list] == [order.number]
    assert not admin.get(LIST, {"status__exact": "sent"}).context["cl"].result_list


def test_a_message_is_shown_and_cannot_be_typed_in(admin):
    OrderFactory.create()
    message = Message.objects.get()
    page = reverse("admin:notifications_message_change", args=[message.pk])

    assert message.body in admin.get(page).content.decode()
    timeline = {"timeline-TOTAL_FORMS": "0", "timeline-INITIAL_FORMS": "0"}
    with CaptureQueriesContext(connection) as seen:
        admin.post(page, {"status": "sent", "body": "Other", **timeline})
    assert not [each for each in seen if 'UPDATE "notifications_message"' in each["sql"]]
    assert admin.get(reverse("admin:notifications_message_add")).status_code == 403
    before = message.body
    message.refresh_from_db()
    assert (message.status, message.body) == ("queued", before)


@pytest.mark.parametrize(
    ("status", "verb", "form", "became"),
    [
        ("failed", "retry", {"reason": "It is mended."}, "queued"),
        ("parked", "cancel", {"reason": "Too late."}, "suppressed"),
        ("unknown", "settle", {"outcome": "delivered", "reason": "They rang."}, "delivered"),
    ],
)
def test_the_buttons_ask_then_do_it_and_the_page_tells_it(admin, status, verb, form, became):
    message = MessageFactory.create(status=status)
    page = reverse("admin:notifications_message_change", args=[message.pk])
    button = reverse(f"admin:notifications_message_{verb}_this", args=[message.pk])
    assert button in admin.get(page).content.decode()

    asked = admin.get(button)
    assert (asked.status_code, statuses()) == (200, [status])

    shown = admin.post(button, {**form, "confirmed": "yes"}, follow=True).content.decode()
    assert statuses() == [became]
    assert form["reason"] in shown
    assert f"now {became}." in shown
    assert message.timeline.get().by.is_staff


def test_a_page_has_nothing_to_save_and_costs_the_same_however_long_its_timeline(admin):
    message = MessageFactory.create(status="failed", error="No such number.")
    page = reverse("admin:notifications_message_change", args=[message.pk])

    def seen():
        message.timeline.create(what="retried", by=StaffFactory.create())
        with CaptureQueriesContext(connection) as statements:
            text = admin.get(page).content.decode()
        return text, len(statements)

    text, first = seen()
    assert "No such number." in text
    assert 'name="_save"' not in text
    seen()
    assert seen()[1] == first


def test_only_the_moves_that_a_status_allows_are_offered(admin):
    message = MessageFactory.create(status="sent")
    page = reverse("admin:notifications_message_change", args=[message.pk])

    text = admin.get(page).content.decode()

    assert not [verb for verb in ("retry", "cancel", "settle") if f"{page[:-7]}{verb}" in text]


@pytest.mark.parametrize("name", ["inboundmessage", "callback"])
def test_what_came_in_is_shown_and_cannot_be_written(admin, name):
    InboundMessage.objects.create(transport="vonage", gateway_id="1", phone="+254722000001")
    Callback.objects.create(transport="vonage", kind="report", key="1", body=b"\xff{}")
    model = apps.get_model("notifications", name)

    assert admin.get(reverse(f"admin:notifications_{name}_changelist")).status_code == 200
    page = reverse(f"admin:notifications_{name}_change", args=[model.objects.get().pk])
    assert admin.get(page).status_code == 200
    assert admin.post(page, {}).status_code == 403
    assert admin.get(reverse(f"admin:notifications_{name}_add")).status_code == 403


@pytest.mark.parametrize(
    ("permissions", "status"), [([], 403), (["notifications.view_message"], 200)]
)
def test_pages_ask_the_same_predicate_as_the_api(db, permissions, status):
    client = browser_of(StaffFactory.create(permissions=permissions))

    assert client.get(LIST).status_code == status


CONSENTS = reverse("admin:notifications_consent_changelist")
NOTE_CONSENT = reverse("admin:notifications_consent_add")
PHONE = "+254722000001"


def changes():
    return list(ConsentChange.objects.values_list("opted_out", "source", "detail"))


class TestConsents:
    def note(self, admin, **form):
        return admin.post(NOTE_CONSENT, {"phone": "0722 000 001", "reason": "", **form})

    def test_what_somebody_said_is_noted_with_who_noted_it(self, admin):
        noted = self.note(admin, opted_out="on", reason="Said so at the counter.")

        assert noted.status_code == 302
        assert is_opted_out(phone=PHONE)
        assert changes() == [(True, "staff", "Said so at the counter.")]
        change = ConsentChange.objects.get()
        assert change.by == get_user(admin)
        page = reverse("admin:notifications_consent_change", args=[change.consent_id])
        assert "Said so at the counter." in admin.get(page).content.decode()

    def test_of_a_number_that_is_known_the_last_word_counts(self, admin):
        note_consent(phone=PHONE, opted_out=True, source="message", detail="STOP")

        assert self.note(admin, reason="Rang us").status_code == 302

        assert not is_opted_out(phone=PHONE)
        assert changes() == [(True, "message", "STOP"), (False, "staff", "Rang us")]

    def test_on_its_page_it_is_changed_too_but_not_the_number(self, admin):
        note_consent(phone=PHONE, opted_out=True, source="message", detail="STOP")
        page = reverse("admin:notifications_consent_change", args=[Consent.objects.get().pk])
        inline = {"changes-TOTAL_FORMS": "0", "changes-INITIAL_FORMS": "0"}

        changed = admin.post(page, {"phone": "0722000002", "reason": "Rang us", **inline})

        assert changed.status_code == 302
        assert list(Consent.objects.values_list("phone", "opted_out")) == [(PHONE, False)]
        assert changes()[1:] == [(False, "staff", "Rang us")]

    def test_the_admin_s_own_log_names_no_number(self, admin):
        self.test_on_its_page_it_is_changed_too_but_not_the_number(admin)
        self.note(admin, opted_out="on")

        assert len(changes()) == 3
        assert not LogEntry.objects.exists()

    def test_what_is_no_number_is_refused_in_words(self, admin):
        refused = self.note(admin, phone="12", opted_out="on")

        assert refused.status_code == 200
        assert "This is not a phone number." in refused.content.decode()
        assert not Consent.objects.exists()

    def test_it_is_listed_and_never_deleted(self, admin):
        note_consent(phone=PHONE, opted_out=True, source="staff")
        delete = reverse("admin:notifications_consent_delete", args=[Consent.objects.get().pk])

        assert PHONE in admin.get(CONSENTS, {"opted_out__exact": "1"}).content.decode()
        assert PHONE not in admin.get(CONSENTS, {"opted_out__exact": "0"}).content.decode()
        assert admin.post(delete, {"post": "yes"}).status_code == 403

    @pytest.mark.parametrize(
        ("right", "answers"),
        [
            (None, [403, 403]),
            ("notifications.view_message", [200, 403]),
            ("notifications.change_consents", [200, 302]),
        ],
    )
    def test_who_may_is_asked_as_the_api_asks(self, db, right, answers):
        browser = browser_of(StaffFactory.create(permissions=[right] if right else []))

        assert [browser.get(CONSENTS).status_code, self.note(browser).status_code] == answers
        assert Consent.objects.exists() == (answers[1] == 302)


LINKS = reverse("admin:notifications_statuslink_changelist")


class TestStatusLinks:
    @pytest.fixture
    def links(self, db):
        for number in ("1001", "1002"):
            make_link(subject="order", reference=number, language="en")
        return list(StatusLink.objects.order_by("pk"))

    def test_they_are_found_by_what_they_show_and_say_no_token(self, admin, links):
        page = admin.get(LINKS, {"q": "1001"})

        assert list(page.context["cl"].result_list) == links[:1]
        one = admin.get(reverse("admin:notifications_statuslink_change", args=[links[0].pk]))
        said = page.content.decode() + one.content.decode()
        assert "1001" in said
        assert links[0].salt not in said
        assert services.links._signature(links[0]) not in said

    def test_the_button_asks_then_closes_it(self, admin, links):
        button = reverse("admin:notifications_statuslink_revoke_this", args=[links[0].pk])
        page = reverse("admin:notifications_statuslink_change", args=[links[0].pk])
        assert button in admin.get(page).content.decode()

        asked = admin.get(button).content.decode()
        assert "The link to order 1001" in asked
        assert StatusLink.objects.filter(revoked_at=None).count() == 2

        shown = admin.post(button, {"confirmed": "yes"}, follow=True).content.decode()
        assert "Links that open nothing any more: order 1001." in shown
        [closed] = StatusLink.objects.exclude(revoked_at=None)
        assert (closed, closed.revoked_by) == (links[0], get_user(admin))
        assert button not in shown

    def test_several_are_closed_from_the_list(self, admin, links):
        chosen = {"action": "revoke", "_selected_action": [each.pk for each in links]}

        admin.post(LINKS, chosen)

        assert not StatusLink.objects.filter(revoked_at=None).exists()

    def test_they_cannot_be_typed_in_made_or_deleted(self, admin, links):
        page = reverse("admin:notifications_statuslink_change", args=[links[0].pk])

        admin.post(page, {"reference": "1009", "revoked_at": "2026-11-21"})
        assert admin.get(reverse("admin:notifications_statuslink_add")).status_code == 403
        delete = reverse("admin:notifications_statuslink_delete", args=[links[0].pk])
        assert admin.post(delete, {"post": "yes"}).status_code == 403
        link = StatusLink.objects.get(pk=links[0].pk)
        assert (link.reference, link.revoked_at) == ("1001", None)

    @pytest.mark.parametrize(
        ("right", "status"),
        [("notifications.view_message", 403), ("notifications.handle_message", 200)],
    )
    def test_they_are_for_those_who_handle_messages(self, db, right, status):
        browser = browser_of(StaffFactory.create(permissions=[right]))

        assert browser.get(LINKS).status_code == status

    def test_a_list_costs_the_same_for_one_and_for_three(self, admin, links):
        links[1].delete()

        def cost():
            with CaptureQueriesContext(connection) as statements:
                assert admin.get(LINKS).status_code == 200
            return len(statements)

        services.revoke_link(statuslink_id=links[0].pk, by=StaffFactory.create())
        before = cost()
        for _ in range(2):
            make_link(subject="order", reference="1003", language="en")
            link = StatusLink.objects.latest("pk")
            services.revoke_link(statuslink_id=link.pk, by=StaffFactory.create())
        assert cost() == before
