"""GraphQL of shipping: what shoppers do with their own, and the shop with all."""

import pytest
from graphql_relay import to_global_id

from accounts.tests.factories import UserFactory
from catalog.tests.factories import VariantFactory
from core.tests.graph import Graph, failures, verdict
from customers.tests.factories import CustomerFactory
from orders.services import Wanted
from shipping import services
from shipping.models import Shipment

from .faces import NewsFactory, StandingOrderFactory
from .factories import DeliveryOrderFactory, SentShipmentFactory, ShipmentFactory, fold

pytestmark = pytest.mark.django_db
ADDRESS = """{recipient: "John Doe", line1: "The battleship building", line2: "179 harrow road",
  city: "London", postcode: "W2 6NB", country: "GB"}"""
WANTED = 'items: [{sku: "TEA", quantity: 2}], interval: MONTH, start: "2029-01-31", count: 3'
MAKE = f"""mutation {{ makeStandingOrder(input: {{{WANTED}, deliveryAddress: {ADDRESS}}}) {{
  standingOrder {{ id number status nextOn customer interval every count service
    items {{ sku name quantity }} deliveryAddress {{ recipient line1 }} }}
  errors {{ field code message }}
}} }}"""


@pytest.fixture(autouse=True)
def december(simulated):
    """A month before the standing orders of these tests begin: what comes soon can be skipped."""
    simulated("2028-12-01 12:00")


@pytest.fixture
def tea():
    return VariantFactory.create(sku="TEA", product__name="Chai", price="12.50", weight=250)


@pytest.fixture
def shopper():
    return UserFactory.create()


@pytest.fixture
def customer(shopper):
    return CustomerFactory.create(user=shopper, code="C1", name="Wanjiru")


@pytest.fixture
def mine(shopper, customer, tea):
    return Graph(shopper)


@pytest.fixture
def graph(shopkeeper):
    return Graph(shopkeeper)


def ident(row, kind=None):
    return to_global_id(kind or type(row).__name__, row.pk)


def done(graph, name, row, argument=""):
    """Return the standing order after a verb, with what happened last."""
    return graph.done(
        f'mutation {{ {name}StandingOrder(id: "{ident(row)}"{argument}) {{'
        " standingOrder { status nextOn occurrences { on status reason }"
        " history { verb by } items { sku quantity } } errors { field code } } }"
    )["standingOrder"]


def test_a_shopper_makes_changes_pauses_resumes_skips_and_ends_their_own(mine, customer):
    made = mine.done(MAKE)["standingOrder"]
    standing = customer.standing_orders.get()
    assert made == {
        "id": ident(standing),
        "number": standing.number,
        "status": "ACTIVE",
        "nextOn": "2029-01-31",
        "customer": "C1",
        "interval": "MONTH",
        "every": 1,
        "count": 3,
        "service": "STANDARD",
        "items": [{"sku": "TEA", "name": "Chai", "quantity": 2}],
        "deliveryAddress": {"recipient": "John Doe", "line1": "The battleship building"},
    }

    more = ', input: {items: [{sku: "TEA", quantity: 5}]}'
    assert done(mine, "change", standing, more)["items"] == [{"sku": "TEA", "quantity": 5}]
    assert done(mine, "pause", standing, ', input: {reason: "Away."}')["status"] == "PAUSED"
    assert done(mine, "resume", standing)["status"] == "ACTIVE"
    skipped = done(mine, "skip", standing, ', input: {on: "2029-01-31", reason: "Away."}')
    assert skipped["nextOn"] == "2029-02-28"
    assert skipped["occurrences"] == [{"on": "2029-01-31", "status": "SKIPPED", "reason": "Away."}]
    ended = done(mine, "end", standing)
    assert (ended["status"], ended["nextOn"]) == ("ENDED", None)
    assert ended["history"] == [
        {"verb": verb, "by": None}
        for verb in ("ENDED", "SKIPPED", "RESUMED", "PAUSED", "CHANGED", "CREATED")
    ]


def test_what_comes_is_shown_before_it_is_made_and_after(mine, customer):
    coming = {
        "currency": "KES",
        "results": [
            {"on": day, "total": "25.00", "notices": []}
            for day in ("2029-01-31", "2029-02-28", "2029-03-31")
        ],
    }
    asked = "{ currency results { on total notices } }"

    assert mine(f"{{ newStandingOrderPreview(input: {{{WANTED}}}) {asked} }}") == coming
    mine.done(MAKE)
    standing = customer.standing_orders.get()
    assert mine(f'{{ standingOrderPreview(number: "{standing.number}") {asked} }}') == coming
    assert mine(f'{{ standingOrderPreview(id: "{ident(standing)}") {asked} }}') == coming
    late = WANTED.replace("count: 3", 'end: "2028-01-01"')
    answer = mine.ask(f"{{ newStandingOrderPreview(input: {{{late}}}) {asked} }}")
    assert failures(answer) == [("end", "out_of_bounds")]


def test_what_is_wrong_is_said_at_its_field(mine, customer):
    assert mine.refused(MAKE.replace('"TEA"', '"JAM"')) == [("items.0.sku", "UNKNOWN_SKU")]
    assert mine.refused(MAKE.replace("The battleship building", "x" * 36)) == [
        ("deliveryAddress.line1", "MAX_LENGTH")
    ]
    standing = StandingOrderFactory.create(customer=customer)
    skip = f"""mutation {{ skipStandingOrder(id: "{ident(standing)}", input: {{on: "2029-01-02"}}) {{
      standingOrder {{ number }} errors {{ field code message }} }} }}"""
    assert mine.refused(skip) == [("on", "NO_SUCH_DATE")]


def test_of_others_a_shopper_cannot_know(mine):
    shipment, standing = ShipmentFactory.create(), StandingOrderFactory.create()

    assert mine("{ shipments(first: 5) { totalCount } }") == {"totalCount": 0}
    assert mine("{ standingOrders(first: 5) { totalCount } }") == {"totalCount": 0}
    for field, number in (
        ("shipment", shipment.number),
        ("standingOrder", standing.number),
    ):
        assert mine(f'{{ {field}(number: "{number}") {{ number }} }}') is None
    preview = f'{{ standingOrderPreview(number: "{standing.number}") {{ currency }} }}'
    assert mine(preview) is None
    end = f'mutation {{ endStandingOrder(id: "{ident(standing)}") {{ errors {{ code }} }} }}'
    assert verdict(mine.ask(end)) == ("not_found", 404)
    cancel = f'mutation {{ cancelShipment(id: "{ident(shipment)}") {{ errors {{ code }} }} }}'
    assert verdict(mine.ask(cancel)) == ("permission_denied", 403)
    for field in ("carriers", "carrierNews"):
        assert verdict(mine.ask(f"{{ {field}(first: 5) {{ totalCount }} }}")) == (
            "permission_denied",
            403,
        )


def test_a_shopper_sees_where_their_goods_are_and_nothing_between_shop_and_carrier(
    mine, graph, customer
):
    shipment = SentShipmentFactory.create(order=DeliveryOrderFactory.create(customer=customer))
    fold(shipment, "in-transit", detail="At the depot.")
    Shipment.objects.filter(pk=shipment.pk).update(attention="Look.", cost=5, error="Wrong.")
    asked = f"""{{ shipment(number: "{shipment.number}") {{ status carrierReference attention cost
      error attempts timeline {{ verb status detail by }} }} }}"""

    assert mine(asked) == {
        "status": "IN_TRANSIT",
        "carrierReference": "C-1",
        **dict.fromkeys(("attention", "cost", "error", "attempts")),
        "timeline": [
            {"verb": "EVENT", "status": "IN_TRANSIT", "detail": "At the depot.", "by": None},
            {"verb": "PREPARED", "status": "WAITING", "detail": "", "by": None},
            {"verb": "ACCEPTED", "status": "SENT", "detail": "", "by": None},
        ],
    }
    whole = graph(asked)
    assert (whole["attention"], whole["cost"], whole["attempts"]) == ("Look.", "5.00", 1)
    assert len(whole["timeline"]) == 4


def test_the_shop_ships_an_order_changes_sends_and_cancels_it(graph, tea):
    order = DeliveryOrderFactory.create(lines=[Wanted(sku="TEA", quantity=3)])
    prepare = f"""mutation {{ prepareShipment(input: {{order: "{order.number}", service: EXPRESS,
      parcels: [{{items: [{{sku: "TEA", quantity: 1}}]}}, {{items: [{{sku: "TEA", quantity: 2}}]}}]
      }}) {{ shipment {{ id order service status parcels {{ weight items {{ sku name quantity weight }} }} }}
      errors {{ field code message }} }} }}"""

    made = graph.done(prepare)["shipment"]
    shipment = Shipment.objects.get()
    assert made == {
        "id": ident(shipment),
        "order": order.number,
        "service": "EXPRESS",
        "status": "WAITING",
        "parcels": [
            {
                "weight": 250 * pieces,
                "items": [{"sku": "TEA", "name": "Chai", "quantity": pieces, "weight": 250}],
            }
            for pieces in (1, 2)
        ],
    }
    assert graph.refused(prepare) == [(None, "NOT_SHIPPABLE")]

    def verb(name, argument=""):
        return graph.done(
            f'mutation {{ {name}Shipment(id: "{made["id"]}"{argument}) {{'
            " shipment { status carrier attention } errors { field code } } }"
        )["shipment"]

    assert verb("edit", ', input: {carrier: "parcelpost"}')["carrier"] == "parcelpost"
    assert verb("send")["status"] == "WAITING"
    Shipment.objects.update(attention="Look.")
    assert verb("settle", ', input: {reason: "Seen."}')["attention"] == ""
    assert verb("cancel")["status"] == "CANCELLED"


def test_the_shop_sets_a_carriers_schedule_and_replays_news(graph):
    news = NewsFactory.create()
    update = f"""mutation {{ updateCarrier(id: "{ident(news.carrier)}",
      input: {{days: [1, 4], cutOff: "15:30"}}) {{
      carrier {{ name label days cutOff state active }} errors {{ field code message }} }} }}"""

    assert graph.done(update)["carrier"] == {
        "name": "courier",
        "label": services.label_of(news.carrier),
        "days": [1, 4],
        "cutOff": "15:30",
        "state": "UP",
        "active": True,
    }
    wrong = update.replace("[1, 4]", "[7]")
    assert graph.refused(wrong) == [("days.0", "MAX_VALUE")]
    seen = graph("{ carrierNews(state: UNMATCHED, first: 5) { nodes { reference body carrier } } }")
    assert seen["nodes"] == [
        {
            "reference": "S9999",
            "body": '{"order_id": "S9999", "event_name": "delivered"}',
            "carrier": "courier",
        }
    ]
    replay = f"""mutation {{ replayCarrierNews(id: "{ident(news, "CarrierNews")}") {{
      carrierNews {{ state }} errors {{ code }} }} }}"""
    assert graph.done(replay)["carrierNews"] == {"state": "NEW"}


def test_a_price_is_asked_or_it_is_said_that_there_is_none(graph, fake):
    order = DeliveryOrderFactory.create()

    def quotes(carrier):
        return graph.ask(
            f'{{ shipmentQuotes(input: {{order: "{order.number}", carrier: "{carrier}"}}) {{'
            " service amount currency days } }"
        )

    [quote] = quotes("parcelpost").json()["data"]["shipmentQuotes"]
    assert quote["service"] == "STANDARD"
    assert verdict(quotes("courier")) == ("no_quote", 409)


@pytest.mark.parametrize("rows", [1, 3])
def test_a_page_takes_the_same_statements_for_1_and_3_rows(
    graph, shopkeeper, rows, django_assert_num_queries
):
    for _ in range(rows):
        items = [Wanted(sku=VariantFactory.create().sku, quantity=1) for _ in range(rows)]
        order = DeliveryOrderFactory.create(lines=items)
        services.prepare_shipment(
            order_id=order.pk, by=shopkeeper, parcels=[[each] for each in items]
        )

    # session, user, membership; shipments with order, customer and carrier, parcels, their items
    # with lines for what they hold and for what they weigh, timeline with who did it
    with django_assert_num_queries(8):
        page = graph(
            "{ shipments(first: 9) { nodes { number order customer carrier"
            " parcels { weight items { sku quantity } } timeline { verb by } } } }"
        )

    assert [len(each["parcels"]) for each in page["nodes"]] == [rows] * rows
