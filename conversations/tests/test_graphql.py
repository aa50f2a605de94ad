"""GraphQL of conversations, as staff use it."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from graphql_relay import to_global_id

from accounts.tests.factories import StaffFactory
from conversations import services
from conversations.models import Client, Engagement, Interaction
from conversations.states import Channel, Direction
from core.tests.graph import Graph, failures, verdict
from customers.tests.factories import CustomerFactory
from notifications.models import Message
from orders.tests.factories import OrderFactory

from .factories import WHEN, ClientFactory, EngagementFactory, make_interaction

pytestmark = pytest.mark.django_db

SAMPLE = (
    '{"_id":{"$oid":"5f18d12f42262eec0d43567d"},"engagementId":{"$oid":"5f18d12f42262eec0d435583"},'
    '"interactionDate":{"$date":1589630400000},"agentName":"John Ford","sentiment":"Negative",'
    '"custom":{"csvName":"2020_16_05_report.csv","agentFirstName":"John","agentLastName":"Ford"}}'
)
RECORD = """mutation ($input: ContactInput!) { recordContact(input: $input) {
  interaction { agentName custom customer { code } order { number } engagement { channel name } }
  errors { field message code }
} }"""
REPLY = """mutation ($id: ID!, $input: ReplyInput!) { replyToContact(id: $id, input: $input) {
  interaction { objectId custom agentName } errors { field message code }
} }"""
CREATE = """mutation ($input: DocumentInput!) { createInteraction(input: $input) {
  interaction { document } errors { field message code }
} }"""
PHONE = "+254722000001"


@pytest.fixture
def staff(db):
    return StaffFactory.create(
        first_name="Baraka",
        last_name="Otieno",
        permissions=[
            "conversations.handle_interaction",
            "customers.view_customer",
            "orders.view_order",
        ],
    )


@pytest.fixture
def graph(staff):
    return Graph(staff)


@pytest.fixture
def sample(db):
    engagement = EngagementFactory.create(id="5f18d12f42262eec0d435583")
    custom = SAMPLE[SAMPLE.index('"custom":') + 9 : -1]
    return make_interaction(engagement, id="5f18d12f42262eec0d43567d", custom=custom)


def ident(row):
    return to_global_id(type(row).__name__, row.pk)


def found(graph, arguments):
    page = graph(f"{{ interactions(first: 9{arguments}) {{ totalCount nodes {{ objectId }} }} }}")
    assert page["totalCount"] == len(page["nodes"])
    return [each["objectId"] for each in page["nodes"]]


class TestReading:
    def test_the_sample_is_answered_byte_for_byte(self, graph, sample):
        asked = """{ id objectId document custom agentName sentiment sourceId interactionDate
          customer { code } order { number } client { objectId name } createdAt
          engagement { objectId name channel client { objectId } } }"""
        seen = {
            "id": ident(sample),
            "objectId": "5f18d12f42262eec0d43567d",
            "document": SAMPLE,
            "custom": '{"csvName":"2020_16_05_report.csv","agentFirstName":"John","agentLastName":"Ford"}',
            "agentName": "John Ford",
            "sentiment": "Negative",
            "sourceId": "",
            "interactionDate": "2020-05-16T12:00:00+00:00",
            "customer": None,
            "order": None,
            "client": {"objectId": sample.client_id, "name": sample.client.name},
            "createdAt": Interaction.objects.get().created_at.isoformat(),
            "engagement": {
                "objectId": "5f18d12f42262eec0d435583",
                "name": "Chat",
                "channel": None,
                "client": {"objectId": sample.client_id},
            },
        }

        assert graph(f'{{ interaction(id: "{ident(sample)}") {asked} }}') == seen
        for name in (sample.pk, sample.pk.upper()):
            assert graph(f'{{ interaction(objectId: "{name}") {asked} }}') == seen
        node = f'{{ node(id: "{ident(sample)}") {{ ... on Interaction {asked} }} }}'
        assert graph(node) == seen
        assert graph(f"{{ interactions(first: 1) {{ nodes {asked} }} }}") == {"nodes": [seen]}

    def test_what_is_duka_s_own_stands_behind_the_document_s(self, graph):
        order = OrderFactory.create(customer=CustomerFactory.create(code="C1"))
        row = make_interaction(
            custom='{"n": 12345678901234567890.10, "n": 1}',
            source_id="x1",
            order=order,
            customer=order.customer,
        )

        seen = graph(
            f'{{ interaction(id: "{ident(row)}") {{ document custom customer {{ code }}'
            " order { number } } }"
        )

        own = f',"sourceId":"x1","customer":"C1","order":"{order.number}"}}'
        assert seen == {
            "document": row.document[:-1] + own,
            "custom": '{"n": 12345678901234567890.10, "n": 1}',
            "customer": {"code": "C1"},
            "order": {"number": order.number},
        }

    def test_who_may_not_see_customers_and_orders_sees_none_here(self):
        order = OrderFactory.create()
        row = make_interaction(order=order, customer=order.customer)
        graph = Graph(StaffFactory.create(permissions=["conversations.view_interaction"]))

        seen = graph(
            f'{{ interaction(id: "{ident(row)}") {{ customer {{ name }} order {{ id }} }} }}'
        )

        assert seen == {"customer": None, "order": None}

    @pytest.mark.parametrize(
        "name", ["0" * 24, "1" * 18, "", "x", "5F18", "5f18d12f42262eec0d43567d\\n", "9" * 30]
    )
    def test_what_there_is_not_is_null(self, graph, sample, name):
        for field in ("client", "engagement", "interaction"):
            kind = field.capitalize()
            strange = to_global_id(kind, name)
            missing = "0" * 24 if name == "5f18d12f42262eec0d43567d\\n" else name
            assert graph(f'{{ {field}(objectId: "{missing}") {{ id }} }}') is None
            assert graph(f'{{ {field}(id: "{strange}") {{ id }} }}') is None
            assert graph(f'{{ node(id: "{strange}") {{ id }} }}') is None

    def test_an_id_of_another_kind_means_nothing_here(self, graph, sample):
        assert graph(f'{{ client(id: "{ident(sample)}") {{ id }} }}') is None
        assert graph(f'{{ node(id: "{to_global_id("Customer", sample.pk)}") {{ id }} }}') is None

    def test_one_name_is_needed_and_no_more(self, graph, sample):
        for given in ("", f'(id: "{ident(sample)}", objectId: "{sample.pk}")'):
            answer = graph.ask(f"{{ interaction{given} {{ id }} }}")
            assert verdict(answer) == ("invalid", 400)

    def test_clients_and_their_channels(self, graph):
        client = ClientFactory.create(name="Acme", nick_name="ac")
        chat = EngagementFactory.create(client=client)
        own = services.own_engagement(channel=Channel.SMS)

        clients = graph('{ clients(first: 9, search: "acme") { nodes { name nickName isShop } } }')
        shown = graph(
            f'{{ engagements(first: 9, client: "{client.pk}") {{ nodes {{ objectId channel }} }} }}'
        )
        shops = graph(
            f'{{ engagement(objectId: "{own.pk}") {{ name channel client {{ isShop }} }} }}'
        )

        assert clients == {"nodes": [{"name": "Acme", "nickName": "ac", "isShop": False}]}
        assert shown == {"nodes": [{"objectId": chat.pk, "channel": None}]}
        assert shops == {"name": "SMS", "channel": "SMS", "client": {"isShop": True}}


class TestFinding:
    def test_lists_have_the_filters_of_rest(self, graph):
        customer = CustomerFactory.create(code="C1")
        old = make_interaction(agent_name="Jane", interaction_date=WHEN - timedelta(days=1))
        mine = make_interaction(sentiment="Positive", customer=customer)
        own = make_interaction(EngagementFactory.create(name="Phone"), source_id="x1")

        def of(*rows):
            return [each.pk for each in sorted(rows, key=lambda row: row.pk, reverse=True)]

        assert found(graph, "") == [*of(mine, own), old.pk]
        assert found(graph, ", ordering: INTERACTION_DATE")[0] == old.pk
        assert found(graph, ', agent: "Jane"') == [old.pk]
        assert found(graph, ', sentiment: "Positive,Neutral"') == [mine.pk]
        assert found(graph, ', customer: "C1"') == [mine.pk]
        assert found(graph, ', channel: "Phone"') == [own.pk]
        assert found(graph, ', sourceId: "x1"') == [own.pk]
        assert found(graph, f', engagement: "{own.engagement_id}"') == [own.pk]
        assert found(graph, f', client: "{old.client_id},{mine.client_id}"') == [mine.pk, old.pk]
        assert found(graph, ', interactionBefore: "2020-05-16T00:00:00Z"') == [old.pk]
        assert found(graph, ', interactionAfter: "2020-05-16T12:00:00Z"') == of(mine, own)
        assert found(graph, ', search: "jane"') == [old.pk]

    def test_wrong_ones_are_refused_by_name(self, graph):
        answer = graph.ask('{ interactions(first: 1, client: "x") { totalCount } }')

        assert failures(answer) == [("client", "invalid")]

    def test_conditions_on_the_custom_document_are_those_of_rest(self, graph):
        low = make_interaction(custom={"score": 5, "csvName": "report.csv"})
        high = make_interaction(custom={"score": 7, "csvName": "a=b", "x=y": 1})
        none = make_interaction(custom={"log": {"text": "Hi", "1": 2}})

        def of(*conditions):
            return set(found(graph, f", custom: {json.dumps(conditions)}"))

        assert of() == {low.pk, high.pk, none.pk}
        assert of("csvName=report.csv") == {low.pk}
        assert of("csvName=a=b") == {high.pk}
        assert of('"x=y"=1') == {high.pk}
        assert of("score[gte]=5") == {low.pk, high.pk}
        assert of("score[gte]=5", "score[gte]=6") == {high.pk}
        assert of("score[gte]=5", "csvName=report.csv") == {low.pk}
        assert of("score[exists]=false") == {none.pk}
        assert of("log.text=Hi") == {none.pk}
        assert of("score[in]=7,8") == {high.pk}

    @pytest.mark.parametrize(
        ("condition", "field"),
        [
            ("score", "custom"),
            ("", "custom"),
            ('"score', "custom"),
            ("score[near]=5", "custom.score[near]"),
            ("=5", "custom."),
            ("a.b.c.d.e.f.g.h.i=5", "custom.a.b.c.d.e.f.g.h.i"),
            ("score[gte]=" + "5" * 201, "custom.score[gte]"),
        ],
    )
    def test_those_that_cannot_be_read_are_refused_as_there(self, graph, condition, field):
        document = "query ($c: [String!]) { interactions(first: 1, custom: $c) { totalCount } }"

        assert failures(graph.ask(document, {"c": [condition]})) == [(field, "invalid")]

    def test_too_many_are_refused_as_there(self, graph):
        document = "query ($c: [String!]) { interactions(first: 1, custom: $c) { totalCount } }"

        answer = graph.ask(document, {"c": [f"score=={n}" for n in range(11)]})

        assert failures(answer) == [("custom.score", "invalid")]

    def test_pages_go_on_where_they_ended(self, graph):
        rows = [make_interaction(interaction_date=WHEN + timedelta(days=n)) for n in range(5)]
        asked = "{ nodes { objectId } pageInfo { hasNextPage endCursor } }"

        first = graph(f"{{ interactions(first: 3) {asked} }}")
        cursor = first["pageInfo"]["endCursor"]
        second = graph(f'{{ interactions(first: 3, after: "{cursor}") {asked} }}')

        seen = [each["objectId"] for each in first["nodes"] + second["nodes"]]
        assert seen == [each.pk for each in rows[::-1]]
        assert (first["pageInfo"]["hasNextPage"], second["pageInfo"]["hasNextPage"]) == (
            True,
            False,
        )

    def test_the_best_comes_first(self, graph):
        make_interaction(custom={"text": "tea and much else that is not about it at all"})
        best = make_interaction(
            custom={"text": "tea, tea, tea"}, interaction_date=WHEN - timedelta(1)
        )

        assert found(graph, ', search: "tea"')[0] == best.pk

    @pytest.mark.parametrize("asked", ["nodes { id }", "totalCount"])
    def test_what_would_take_too_long_is_ended(self, graph, settings, asked):
        make_interaction()
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE conversations_interaction RENAME TO contacts_kept")
            cursor.execute(
                "CREATE VIEW conversations_interaction AS"
                " SELECT * FROM contacts_kept WHERE pg_sleep(30)::text = ''"
            )
        settings.CONVERSATIONS_TIMEOUT_SECONDS = 0.2

        answer = graph.ask(f"{{ interactions(first: 1) {{ {asked} }} }}")

        assert verdict(answer) == ("too_slow", 400)


class TestStatements:
    def test_a_page_takes_as_many_of_one_row_as_of_three(self, graph):
        document = """{ interactions(first: 9) { totalCount nodes { document custom
          customer { code } order { number } client { name } engagement { client { name } } } } }"""

        def taken():
            order = OrderFactory.create()
            make_interaction(order=order, customer=order.customer)
            with CaptureQueriesContext(connection) as statements:
                assert graph(document)["nodes"]
            return len(statements)

        first, _, third = taken(), taken(), taken()

        assert first == third

    def test_what_is_not_asked_for_is_not_read(self, graph, sample):
        with CaptureQueriesContext(connection) as statements:
            graph("{ interactions(first: 1) { nodes { agentName } } }")

        [read] = [each["sql"] for each in statements if '"agent_name"' in each["sql"]]
        for column in ("document", "custom", "words"):
            assert f'"conversations_interaction"."{column}"' not in read


class TestContacts:
    def test_a_call_is_typed_in(self, graph):
        CustomerFactory.create(code="C1", phone=PHONE)

        said = {
            "text": "Blue ones?",
            "phone": "0722 000 001",
            "channel": "VISIT",
            "direction": "OUT",
        }

        assert graph.done(RECORD, {"input": said})["interaction"] == {
            "agentName": "Baraka Otieno",
            "custom": f'{{"text":"Blue ones?","direction":"out","phone":"{PHONE}"}}',
            "customer": {"code": "C1"},
            "order": None,
            "engagement": {"channel": "VISIT", "name": "Visit"},
        }

    def test_what_is_wrong_with_it_stands_in_the_payload(self, graph):
        wrong = {"text": "", "phone": "12", "customer": "NONE"}

        assert sorted(graph.refused(RECORD, {"input": wrong})) == [
            ("customer", "DOES_NOT_EXIST"),
            ("text", "BLANK"),
        ]
        assert graph.refused(RECORD, {"input": {"text": "Hm.", "phone": "12"}}) == [
            ("phone", "IMPOSSIBLE_PHONE")
        ]
        assert not Interaction.objects.exists()

    @pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"])
    def test_it_was_when_every_time_zone_can_show_it(self, graph, at):
        assert graph.refused(RECORD, {"input": {"text": "Hm.", "at": at}}) == [("at", "INVALID")]
        assert not Interaction.objects.exists()

    def test_an_sms_is_answered(self, graph):
        asked = services.record_contact(
            channel=Channel.SMS, direction=Direction.IN, text="Tea?", at=WHEN, phone=PHONE
        )

        reply = graph.done(REPLY, {"id": ident(asked), "input": {"text": "Yes."}})["interaction"]

        assert reply["custom"] == f'{{"text":"Yes.","direction":"out","phone":"{PHONE}"}}'
        message = Message.objects.get()
        assert (message.body, message.to, message.reference) == ("Yes.", PHONE, reply["objectId"])

    def test_why_it_cannot_be_is_told(self, graph, sample):
        said = {"id": ident(sample), "input": {"text": "Yes."}}

        assert graph.refused(REPLY, said) == [(None, "NO_PHONE")]
        missing = {**said, "id": to_global_id("Interaction", "0" * 24)}
        assert verdict(graph.ask(REPLY, missing)) == ("not_found", 404)


class TestDocuments:
    def test_one_is_stored_byte_for_byte_and_once(self, graph):
        EngagementFactory.create(id="5f18d12f42262eec0d435583")

        for _ in range(2):
            made = graph.done(CREATE, {"input": {"document": SAMPLE}})
            assert made == {"interaction": {"document": SAMPLE}}

        assert Interaction.objects.get().document == SAMPLE

    def test_the_space_around_it_is_part_of_it(self, graph):
        EngagementFactory.create(id="5f18d12f42262eec0d435583")

        stored = graph.done(CREATE, {"input": {"document": f"{SAMPLE}\n "}})["interaction"]

        assert stored["document"].strip() == SAMPLE

    @pytest.mark.parametrize(
        ("document", "told"),
        [
            ("{", [(None, "BAD_DOCUMENT")]),
            ("[]", [(None, "BAD_DOCUMENT")]),
            (
                "{}",
                [("engagementId", "REQUIRED"), ("interactionDate", "REQUIRED")],
            ),
            (SAMPLE.replace('"sentiment"', '"agentName"'), [("agentName", "DUPLICATE_KEY")]),
            (SAMPLE.replace('"sentiment"', '"other"'), [("other", "UNKNOWN_FIELD")]),
            (SAMPLE, [("engagementId", "NOT_FOUND")]),
            (
                SAMPLE.replace("1589630400000", "253402300799999"),
                [("interactionDate", "INVALID")],
            ),
            (SAMPLE.replace('"sentiment"', r'"\ud800"'), [("?", "UNKNOWN_FIELD")]),
        ],
    )
    def test_what_is_wrong_with_one_stands_in_the_payload(self, graph, document, told):
        assert sorted(graph.refused(CREATE, {"input": {"document": document}}), key=str) == told

    def test_one_is_deleted(self, graph, sample):
        done = f'mutation {{ deleteInteraction(id: "{ident(sample)}") {{ interaction {{ id }} errors {{ code }} }} }}'

        assert graph.done(done) == {"interaction": None}
        assert not Interaction.objects.exists()


class TestClients:
    def test_they_are_made_changed_and_deleted(self, graph):
        fields = "{ client { objectId name nickName } errors { code } }"
        made = graph.done(f'mutation {{ createClient(input: {{name: "Acme"}}) {fields} }}')[
            "client"
        ]
        client = Client.objects.get()
        changed = graph.done(
            f'mutation {{ updateClient(id: "{ident(client)}", input: {{nickName: "ac"}}) {fields} }}'
        )
        gone = graph.done(f'mutation {{ deleteClient(id: "{ident(client)}") {fields} }}')

        assert made == {"objectId": client.pk, "name": "Acme", "nickName": ""}
        assert changed == {"client": {"objectId": client.pk, "name": "Acme", "nickName": "ac"}}
        assert (gone, Client.objects.count()) == ({"client": None}, 0)

    def test_so_are_their_engagements(self, graph):
        client = ClientFactory.create()
        fields = "{ engagement { name client { objectId } } errors { field code message } }"
        create = f'mutation ($client: String!) {{ createEngagement(input: {{client: $client, name: "SMS"}}) {fields} }}'

        made = graph.done(create, {"client": client.pk})["engagement"]
        row = Engagement.objects.get()
        changed = graph.done(
            f'mutation {{ updateEngagement(id: "{ident(row)}", input: {{name: "Chat"}}) {fields} }}'
        )["engagement"]

        assert made == {"name": "SMS", "client": {"objectId": client.pk}}
        assert changed == {"name": "Chat", "client": {"objectId": client.pk}}
        assert graph.refused(create, {"client": "x"}) == [("client", "INVALID")]
        assert graph.refused(create, {"client": "0" * 24}) == [("client", "NOT_FOUND")]
        in_use = f'mutation {{ deleteClient(id: "{ident(client)}") {{ client {{ id }} errors {{ field code message }} }} }}'
        assert graph.refused(in_use) == [(None, "IN_USE")]
        graph.done(f'mutation {{ deleteEngagement(id: "{ident(row)}") {fields} }}')
        assert not Engagement.objects.exists()


@pytest.mark.parametrize("rights", [[], ["customers.manage_customers", "orders.view_order"]])
def test_who_may_not_see_conversations_sees_none(sample, rights):
    graph = Graph(StaffFactory.create(permissions=rights))

    for field in ("clients", "engagements", "interactions"):
        answer = graph.ask(f"{{ {field}(first: 1) {{ totalCount }} }}")
        assert verdict(answer) == ("permission_denied", 403)


def test_who_may_only_see_them_changes_nothing(sample):
    graph = Graph(StaffFactory.create(permissions=["conversations.view_interaction"]))
    asked = (
        (RECORD, {"input": {"text": "Hm."}}),
        (REPLY, {"id": ident(sample), "input": {"text": "Hm."}}),
        (CREATE, {"input": {"document": SAMPLE}}),
    )

    for document, variables in asked:
        assert verdict(graph.ask(document, variables)) == ("permission_denied", 403)
    assert Interaction.objects.count() == 1
