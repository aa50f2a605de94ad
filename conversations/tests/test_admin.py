"""The admin pages of conversations."""

import json
from datetime import UTC, datetime

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.tests.callers import employee
from accounts.tests.factories import browser_of
from conversations import services
from conversations.admin import common
from conversations.admin.interactions import SHOWN
from conversations.models import Client, Engagement, ImportedFile, Interaction, RejectedLine
from conversations.states import Channel, Direction
from customers.tests.factories import CustomerFactory
from notifications.models import Message
from orders.tests.factories import OrderFactory

from .factories import WHEN, ClientFactory, EngagementFactory, make_interaction

pytestmark = pytest.mark.django_db
LIST = "/admin/conversations/interaction/"
ADD = f"{LIST}add/"


def page_of(row):
    return f"/admin/conversations/{row._meta.model_name}/{row.pk}/change/"


def read(client, path, **query):
    response = client.get(path, query)
    assert response.status_code == 200
    return response.content.decode()


def shown(browser, **query):
    """Return the keys on the list, in their order."""
    response = browser.get(LIST, query)
    assert response.status_code == 200, response.headers
    return [row.pk for row in response.context["cl"].result_list]


def said(response):
    return [str(each) for each in response.context["messages"]]


def contact(**fields):
    return services.record_contact(
        **{
            "channel": Channel.SMS,
            "direction": Direction.IN,
            "text": "Is it ready?",
            "at": WHEN,
            **fields,
        }
    )


class TestList:
    def test_it_shows_when_with_whom_and_how(self, admin):
        engagement = EngagementFactory.create(
            client__name="Acme", client__nick_name="ACME", name="Chat"
        )
        make_interaction(engagement, customer=CustomerFactory.create(name="Amina", code="C7"))

        page = read(admin, LIST)

        for words in ("ACME", "Chat", "John Ford", "Negative", "Amina (C7)", "May 16, 2020"):
            assert words in page

    def test_the_newest_are_first_and_filters_narrow_it(self, admin):
        chat, calls = EngagementFactory.create_batch(2)
        old = make_interaction(chat, interaction_date=datetime(2019, 1, 1, tzinfo=UTC))
        new = make_interaction(chat, sentiment="Positive")
        call = make_interaction(calls, sentiment="", interaction_date=timezone.now())

        assert shown(admin) == [call.pk, new.pk, old.pk]
        assert shown(admin, client=chat.client_id) == [new.pk, old.pk]
        assert shown(admin, engagement=chat.pk) == [new.pk, old.pk]
        assert shown(admin, sentiment="Positive") == [new.pk]
        assert shown(admin, interaction_date__gte="2019-06-01 00:00+00:00") == [call.pk, new.pk]
        filters = admin.get(LIST).context["cl"].filter_specs
        # Of one name, so in any order.
        assert [sorted(each.lookup_choices) for each in filters[:3]] == [
            sorted((each.client_id, str(each.client)) for each in (chat, calls)),
            sorted((each.pk, f"{each.client}: Chat") for each in (chat, calls)),
            [("Negative", "Negative"), ("Positive", "Positive")],
        ]

    def test_a_customer_s_are_found_by_their_code_in_the_address(self, admin):
        theirs = make_interaction(customer=CustomerFactory.create(code="C7"))
        make_interaction(customer=CustomerFactory.create(code="C8"))

        assert shown(admin, customer__code="C7") == [theirs.pk]

    def test_another_field_in_the_address_is_refused_in_a_sentence_and_not_logged(
        self, admin, caplog
    ):
        caplog.set_level("WARNING")

        response = admin.get(LIST, {"customer__phone": "+254722000001"}, follow=True)

        assert response.redirect_chain == [(LIST, 302)]
        assert said(response) == ["The list cannot be shown so."]
        assert [each for each in caplog.records if each.name.startswith("django")] == []

    def test_it_shows_the_beginning_of_what_was_said(self, admin):
        rows = {
            "own": contact(text="Is it <b>ready</b>?"),
            "log": make_interaction(custom={"x": "no", "log": [{"text": "Hi"}, {"text": "Yes?"}]}),
            "names": make_interaction(custom={"a": "one", "b": [1, None, {"c": ["two"]}]}),
            "long": contact(text="x" * 81),
            "fits": contact(text="x" * 80),
            "nothing": make_interaction(custom={"text": "", "n": 1}),
            "no object": make_interaction(custom='["one"]'),
            "text is no text": make_interaction(custom={"text": {"de": "Hallo"}}),
            "large": make_interaction(custom={"text": "x" * 65_536}),
        }

        response = admin.get(LIST)

        found = {each.pk: each.said for each in response.context["cl"].result_list}
        assert {name: found[row.pk] for name, row in rows.items()} == {
            "own": "Is it <b>ready</b>?",
            "log": "Hi · Yes?",
            "names": "one · two",
            "long": f"{'x' * 80}…",
            "fits": "x" * 80,
            "nothing": "",
            "no object": "one",
            "text is no text": "Hallo",
            "large": None,
        }
        page = response.content.decode()
        assert "Is it &lt;b&gt;ready&lt;/b&gt;?" in page
        assert "what was said" in page.lower()

    def test_dates_that_the_shop_s_zone_cannot_tell_are_in_utc(self, admin):
        first = make_interaction(interaction_date=datetime(1, 1, 1, tzinfo=UTC))
        last = make_interaction(interaction_date=datetime(9999, 12, 31, 23, 30, tzinfo=UTC))

        assert "9999-12-31 23:30 UTC" in read(admin, LIST)
        assert "9999-12-31 23:30 UTC" in read(admin, page_of(last))
        with timezone.override("Africa/Nairobi"):
            assert str(last) == "9999-12-31 23:30, John Ford"
        assert admin.get(page_of(first)).status_code == 200

    def test_words_are_found_in_the_document(self, admin):
        found = make_interaction(custom={"log": [{"text": "The café refunds nobody"}]})
        make_interaction(custom={"log": "nothing"})

        assert shown(admin, q="cafe refund") == [found.pk]
        assert shown(admin, q='"refunds nobody"') == [found.pk]
        assert shown(admin, q="cafe -refund") == []
        assert len(shown(admin, q="  ")) == 2

    def test_a_search_that_takes_too_long_is_ended_in_a_sentence(
        self, admin, settings, monkeypatch
    ):
        make_interaction()
        settings.CONVERSATIONS_TIMEOUT_SECONDS = 0.05
        slow = Interaction.objects.extra(where=["pg_sleep(20) IS NOT NULL"])
        monkeypatch.setattr(
            "conversations.querysets.InteractionQuerySet.search", lambda rows, words: slow
        )

        response = admin.get(LIST, {"q": "x"}, follow=True)

        assert response.redirect_chain == [(LIST, 302)]
        assert said(response) == ["That takes too long. Filter by a channel or a date as well."]

    def test_no_more_rows_are_counted_than_a_page_needs(self, admin, monkeypatch):
        monkeypatch.setattr(common, "MOST_ROWS", 2)
        engagement = EngagementFactory.create()
        for _ in range(3):
            make_interaction(engagement)

        with CaptureQueriesContext(
            connection,
        ) as queries:
            response = admin.get(LIST)

        assert response.context["cl"].result_count == 2
        counts = [each["sql"] for each in queries if "COUNT(" in each["sql"]]
        assert len(counts) == 1
        assert "LIMIT 2" in counts[0]

    def test_its_statements_do_not_grow_with_its_rows(self, admin):
        def statements():
            with CaptureQueriesContext(connection) as queries:
                admin.get(LIST)
            return len(queries)

        make_interaction(customer=CustomerFactory.create())
        statements()
        one = statements()
        for _ in range(2):
            make_interaction(customer=CustomerFactory.create())

        assert statements() == one

    def test_documents_are_not_read_for_it(self, admin):
        make_interaction()

        with CaptureQueriesContext(connection) as queries:
            admin.get(LIST)

        lists = [each["sql"] for each in queries if '"interaction_date"' in each["sql"]]
        assert lists
        assert not any('"document"' in each or '"custom"' in each for each in lists)


class TestPage:
    def test_it_shows_the_document_as_it_came_with_a_line_for_each_member(self, admin):
        row = make_interaction(custom='{"b":12345678901234567890,"a":[1.50,{}],"\\u00e9":"x: [y]"}')

        page = read(admin, page_of(row))

        assert (
            "&quot;custom&quot;: {\n"
            "    &quot;b&quot;: 12345678901234567890,\n"
            "    &quot;a&quot;: [\n      1.50,\n      {}\n    ],\n"
            "    &quot;\\u00e9&quot;: &quot;x: [y]&quot;\n  }\n}" in page
        )
        assert 'name="_save"' not in page

    def test_its_title_has_the_shop_s_time_and_the_customer_or_the_agent_or_neither(self, admin):
        known = contact(customer=CustomerFactory.create(name="Amina"))
        by_agent = make_interaction()

        for row, title in (
            (known, "2020-05-16 15:00, Amina"),
            (by_agent, "2020-05-16 15:00, John Ford"),
            (contact(), "2020-05-16 15:00"),
        ):
            page = read(admin, page_of(row))
            assert f"<title>{title} | " in " ".join(page.split()).replace("<title> ", "<title>")
            assert "May 16, 2020, 3 p.m." in page
        with CaptureQueriesContext(connection) as queries, timezone.override("Africa/Nairobi"):
            assert str(Interaction.objects.get(pk=known.pk)) == "2020-05-16 15:00"
        assert len(queries) == 1

    def test_the_log_does_not_name_the_customer_of_what_is_deleted(self, admin):
        row = contact(customer=CustomerFactory.create(name="Amina"))

        admin.post(f"{LIST}{row.pk}/delete/", {"post": "yes"})

        assert LogEntry.objects.get().object_repr == "2020-05-16 15:00"

    def test_what_was_said_stands_above_the_document(self, admin):
        page = read(admin, page_of(contact(text="<i>" + "x" * 2000)))

        text = f'<pre class="document" tabindex="0">&lt;i&gt;{"x" * 1997}…</pre>'
        assert page.index(text) < page.index("&quot;custom&quot;")
        assert "Too long to be shown" not in page

    def test_of_several_texts_each_has_its_line(self, admin):
        row = make_interaction(custom={"log": [{"text": "Hi"}, {"text": "Yes?"}]})

        assert '<pre class="document" tabindex="0">Hi\nYes?</pre>' in read(admin, page_of(row))

    def test_of_one_that_is_too_large_or_says_nothing_that_is_said(self, admin):
        large = make_interaction(custom={"text": "x" * (1024 * 1024)})

        assert "Too long to be shown; it is in the document." in read(admin, page_of(large))
        assert "Too long" not in read(admin, page_of(make_interaction()))

    def test_nothing_in_it_becomes_markup(self, admin):
        evil = "</pre><script>alert(1)</script>"
        engagement = EngagementFactory.create(name=evil, client__name=evil, client__nick_name="")
        row = make_interaction(
            engagement, custom={evil: evil}, agent_name=evil, sentiment=evil[:60], source_id=evil
        )

        for path in (page_of(row), LIST, page_of(engagement), page_of(engagement.client)):
            page = read(admin, path)
            assert "<script>alert" not in page
            assert "&lt;script&gt;alert" in page

    def test_nor_does_what_is_searched_for_and_filtered_by(self, admin):
        evil = '"><script>alert(1)</script><mark>'
        make_interaction(custom={"text": evil}, agent_name=evil, sentiment=evil)

        for query in ({"q": evil}, {"q": "alert"}, {"sentiment": evil}):
            page = read(admin, LIST, **query)
            assert "<script>alert" not in page
            assert "<mark>" not in page

    def test_of_one_of_sixteen_megabytes_the_beginning_is_shown(self, admin):
        row = make_interaction(custom={"text": "x" * 15_000_000})

        page = read(admin, page_of(row))

        assert len(page) < SHOWN + 200_000
        assert f"100,000 of {len(row.document):,} characters." in page
        assert f'href="/interactions/{row.pk}"' in page

    def test_it_leads_to_the_customer_and_the_order(self, admin):
        order = OrderFactory.create()
        row = make_interaction(customer=order.customer, order=order)

        page = read(admin, page_of(row))

        assert f'href="/admin/customers/customer/{order.customer_id}/change/"' in page
        assert f'href="/admin/orders/order/{order.pk}/change/"' in page

    def test_who_may_not_open_them_sees_no_links(self):
        order = OrderFactory.create()
        row = make_interaction(customer=order.customer, order=order)
        client = browser_of(employee("see_conversations"))

        page = read(client, page_of(row))

        assert order.number in page
        assert f"/admin/orders/order/{order.pk}/" not in page
        assert client.get(ADD).status_code == 403
        assert client.post(f"{LIST}{row.pk}/delete/", {"post": "yes"}).status_code == 403

    def test_who_has_no_right_sees_none_of_it(self):
        row = make_interaction()
        client = browser_of(employee("see_orders"))

        for path in (LIST, page_of(row), page_of(row.engagement), page_of(row.client)):
            assert client.get(path).status_code == 403

    def test_it_is_deleted_alone_and_with_others(self, admin):
        one, two, three = (make_interaction() for _ in range(3))

        admin.post(f"{LIST}{one.pk}/delete/", {"post": "yes"})
        admin.post(
            LIST,
            {"action": "delete_selected", "_selected_action": [two.pk, three.pk], "post": "yes"},
        )

        assert not Interaction.objects.exists()

    def test_an_id_that_is_none_is_not_there(self, admin):
        response = admin.get(f"{LIST}xyz/change/", follow=True)

        assert response.redirect_chain[0][0] == "/admin/"


class TestNoting:
    def form(self, **fields):
        return {
            "channel": "phone",
            "direction": "in",
            "phone": "",
            "text": "She wants two more.",
            "at_0": "",
            "at_1": "",
            "customer": "",
            "order": "",
            "sentiment": "",
            **fields,
        }

    def test_a_call_is_taken_down(self, admin, shopkeeper):
        order = OrderFactory.create()

        response = admin.post(
            ADD,
            self.form(
                customer=order.customer_id,
                order=order.pk,
                at_0="2026-03-02",
                at_1="12:30:00",
                sentiment="Positive",
            ),
        )

        row = Interaction.objects.get()
        assert response["Location"] == LIST
        assert (row.customer, row.order, row.sentiment) == (order.customer, order, "Positive")
        assert (row.engagement.channel, row.agent_name) == ("phone", str(shopkeeper))
        assert row.interaction_date == datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
        assert json.loads(row.document)["custom"] == {
            "text": "She wants two more.",
            "direction": "in",
        }
        assert LogEntry.objects.get().object_id == row.pk

    def test_a_number_brings_its_customer(self, admin):
        customer = CustomerFactory.create(phone="+254722000001")

        admin.post(ADD, self.form(phone="0722 000 001"))

        row = Interaction.objects.get()
        assert row.customer == customer
        assert customer.name not in LogEntry.objects.get().object_repr
        assert json.loads(row.document)["custom"]["phone"] == "+254722000001"

    def test_the_page_says_what_it_is_for_and_offers_usual_sentiments(self, admin):
        page = read(admin, ADD)

        # In the window's title, and as a heading.
        assert page.count("Take down a call, a visit or another contact") == 2
        assert 'list="usual_sentiment"' in page
        assert (
            '<datalist id="usual_sentiment"><option value="Positive"></option>'
            '<option value="Neutral"></option><option value="Negative"></option></datalist>'
        ) in page
        admin.post(ADD, self.form(sentiment="Puzzled"))
        assert Interaction.objects.get().sentiment == "Puzzled"

    @pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
    def test_it_was_when_every_time_zone_can_show_it(self, admin, day):
        response = admin.post(ADD, self.form(at_0=day, at_1="12:00:00"))

        assert response.context["adminform"].form.errors == {
            "at": ["It must be a date from 0001-01-03 to 9999-12-29."]
        }
        assert not Interaction.objects.exists()

    def test_what_is_wrong_is_said_at_its_field(self, admin):
        order = OrderFactory.create()

        response = admin.post(
            ADD,
            self.form(phone="12", text="", customer=CustomerFactory.create().pk, order=order.pk),
        )

        form = response.context["adminform"].form
        assert {name: len(errors) for name, errors in form.errors.items()} == {
            "phone": 1,
            "text": 1,
            "order": 1,
        }
        assert not Interaction.objects.exists()


class TestReplying:
    def test_an_sms_is_answered(self, admin, shopkeeper):
        customer = CustomerFactory.create(phone="+254722000001")
        row = contact(customer=customer, phone=customer.phone)
        assert "Reply" in read(admin, page_of(row))
        asked = read(admin, f"{LIST}{row.pk}/reply/")
        assert f"SMS, May 16, 2020, 3 p.m.: {customer}, +254722000001." in asked
        assert '<pre class="document" tabindex="0">Is it ready?</pre>' in asked

        response = admin.post(f"{LIST}{row.pk}/reply/", {"text": "It is."}, follow=True)

        assert said(response) == ["The reply is on its way."]
        assert Message.objects.get(event="conversation.reply").to == "+254722000001"
        answer = Interaction.objects.exclude(pk=row.pk).get()
        assert (answer.customer, answer.agent_name) == (customer, str(shopkeeper))

    def test_what_is_answered_is_shown_and_becomes_no_markup(self, admin):
        customer = CustomerFactory.create(name="<i>Amina", phone="+254722000001")
        row = contact(customer=customer, text="</pre><script>alert(1)</script>")

        asked = read(admin, f"{LIST}{row.pk}/reply/")

        assert "&lt;i&gt;Amina" in asked
        assert ">&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;</pre>" in asked
        assert "<script>alert" not in asked

    def test_where_there_is_no_number_that_is_said(self, admin):
        row = contact()
        asked = read(admin, f"{LIST}{row.pk}/reply/")
        assert "SMS, May 16, 2020, 3 p.m.: somebody, no phone number." in asked

        response = admin.post(f"{LIST}{row.pk}/reply/", {"text": "It is."}, follow=True)

        assert said(response) == ["There is no phone number to answer to."]

    def test_another_client_s_contact_offers_no_reply(self, admin):
        assert "/reply/" not in read(admin, page_of(make_interaction()))


class TestClients:
    def test_they_are_made_and_changed(self, admin):
        admin.post("/admin/conversations/client/add/", {"name": "Acme", "nick_name": "acme"})
        client = Client.objects.get()
        assert (client.name, client.nick_name) == ("Acme", "acme")

        admin.post(page_of(client), {"name": "Acme Ltd", "nick_name": "acme"})
        client.refresh_from_db()
        assert client.name == "Acme Ltd"

    def test_engagements_stay_with_their_client(self, admin):
        client = ClientFactory.create()
        admin.post("/admin/conversations/engagement/add/", {"client": client.pk, "name": "Chat"})
        engagement = Engagement.objects.get()
        assert (engagement.client, engagement.name) == (client, "Chat")

        admin.post(page_of(engagement), {"client": ClientFactory.create().pk, "name": "Facebook"})
        engagement.refresh_from_db()
        assert (engagement.client, engagement.name) == (client, "Facebook")

    def test_what_others_belong_to_is_not_deleted_nor_read_for_it(self, admin):
        row = make_interaction()
        engagement, client = row.engagement, row.client

        for each in (engagement, client):
            path = page_of(each).replace("/change/", "/delete/")
            with CaptureQueriesContext(connection) as queries:
                assert admin.get(path).status_code == 200
            assert not any('"document"' in each["sql"] for each in queries)
            response = admin.post(path, {"post": "yes"}, follow=True)
            assert len(said(response)) == 1
        assert Engagement.objects.filter(pk=engagement.pk).exists()

        row.delete()
        for each in (engagement, client):
            admin.post(page_of(each).replace("/change/", "/delete/"), {"post": "yes"})
        assert not Client.objects.exists()

    @pytest.mark.parametrize(
        ("model", "factory"), [("client", ClientFactory), ("engagement", EngagementFactory)]
    )
    def test_their_lists_take_as_many_statements_for_three(self, admin, model, factory):
        def statements():
            with CaptureQueriesContext(connection) as queries:
                admin.get(f"/admin/conversations/{model}/")
            return len(queries)

        factory.create()
        statements()
        one = statements()
        factory.create_batch(2)

        assert statements() == one


class TestFiles:
    def file(self, **fields):
        return ImportedFile.objects.create(
            **{"fingerprint": "f", "name": "old.json", "collection": "interactions", **fields}
        )

    def test_a_file_shows_its_lines_that_were_set_aside(self, admin):
        file = self.file(rejected=60)
        for number in range(1, 61):
            RejectedLine.objects.create(
                file=file,
                number=number,
                content=b"<script>\xff" + b"x" * 10_000,
                errors=[{"pointer": "/_id", "code": "invalid", "detail": f"Bad <id> {number}."}],
            )

        page = read(admin, page_of(file))

        assert '<p>Line 1: Bad &lt;id&gt; 1.</p><pre class="document"' in page
        assert "Line 50: Bad &lt;id&gt; 50." in page
        assert "Line 51:" not in page
        assert "And 10 more." in page
        assert "&lt;script&gt;\ufffdxxx" in page
        assert "x" * 500 not in page

    def test_it_is_read_only(self, admin):
        file = self.file()

        assert "old.json" in read(admin, "/admin/conversations/importedfile/")
        assert 'name="_save"' not in read(admin, page_of(file))
        assert admin.post(page_of(file), {"name": "x"}).status_code == 403
        assert admin.get("/admin/conversations/importedfile/add/").status_code == 403


def test_a_document_that_is_cut_is_indented_as_far_as_it_goes():
    assert common.indented('{"a": {"b": "c, [d') == '{\n  "a": {\n    "b": "c, [d'
    assert common.indented("[]") == "[]"
    assert common.indented('{"a":[],"b":{"c":null}}') == (
        '{\n  "a": [],\n  "b": {\n    "c": null\n  }\n}'
    )
    assert common.indented('{"a\\"]":"\\\\"}') == '{\n  "a\\"]": "\\\\"\n}'
