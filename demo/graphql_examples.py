"""What shop-fronts usually ask of `/graphql/`: `manage.py graphql_examples` writes it down.

The variables fit the demo shop, so that each can be tried there.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from graphene_django.settings import graphene_settings
from graphql import (
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    parse,
    parse_type,
    print_ast,
    validate,
    visit,
)


@dataclass(frozen=True, kw_only=True)
class Example:
    """One operation: what it is for, who asks it, and what is asked.

    Its variables are used without being declared: which types they have, the schema knows.
    """

    name: str
    what: str
    who: str
    ask: str
    variables: dict[str, Any] = field(default_factory=dict)


STRANGER = "Whoever comes by."
SHOPPER = "Whoever has signed in."
STAFF = "Who may see and handle orders."
REPAIRERS = "Who may see and handle repairs."
LISTENERS = "Who may see and handle conversations."

_ERRORS = "errors { field message code }"
_PAGE = "pageInfo { hasNextPage endCursor }"
_CART = """{
  itemCount total currency
  lines { sku name quantity unitPrice total }
  notices { sku code detail }
}"""
_BOOKING = """{
  id number datetime status totalFee currency resource services { number name fee }
}"""
_STANDING = """{
  id number status interval every start end count nextOn service items { sku name quantity }
}"""
_COMING = "{ currency results { on total notices } }"
_ITEMS = [{"sku": "CHAI-250", "quantity": 2}]
_STANDING_ID = "U3RhbmRpbmdPcmRlcjox"
_CARD = """{
  id slug name price category { slug name } images { alt sizes { width url } }
  variants { id sku stock }
}"""

EXAMPLES = [
    Example(
        name="browse",
        what="Page through what is for sale, on one shelf or those below it.",
        who=STRANGER,
        ask="query Browse { products(category: $category, inStock: $inStock, ordering: $ordering,"
        f" first: $first, after: $after) {{ totalCount nodes {_CARD} {_PAGE} }} }}",
        variables={
            "category": "groceries",
            "inStock": True,
            "ordering": "NAME",
            "first": 3,
            "after": None,
        },
    ),
    Example(
        name="search",
        what="Look for words; what fits best comes first.",
        who=STRANGER,
        ask=f"query Search {{ products(search: $words, first: $first) {{ nodes {_CARD} }} }}",
        variables={"words": "coffee", "first": 8},
    ),
    Example(
        name="product",
        what="Show one product on a page of its own.",
        who=STRANGER,
        ask="""query Product { product(slug: $slug) {
          id name description category { slug name parent { slug name } }
          images { alt url width height sizes { width url } }
          variants { id sku name price currency stock }
        } }""",
        variables={"slug": "chai"},
    ),
    Example(
        name="categories",
        what="Draw the menu: the shelves as a tree.",
        who=STRANGER,
        ask="query Categories"
        " { categories { id slug name children { id slug name children { id slug name } } } }",
    ),
    Example(
        name="add-to-cart",
        what="Put something into the cart; a stranger's first one brings a `token`.",
        who=STRANGER,
        ask=f"mutation AddToCart {{ addToCart(input: $input) {{ token cart {_CART} {_ERRORS} }} }}",
        variables={"input": {"sku": "CHAI-250", "quantity": 2}},
    ),
    Example(
        name="set-cart-quantity",
        what="Change how many of something are in the cart.",
        who=STRANGER,
        ask="mutation SetCartQuantity"
        f" {{ setCartQuantity(input: $input) {{ cart {_CART} {_ERRORS} }} }}",
        variables={"input": {"sku": "CHAI-250", "quantity": 3}},
    ),
    Example(
        name="remove-from-cart",
        what="Take something out of the cart.",
        who=STRANGER,
        ask="mutation RemoveFromCart"
        f" {{ removeFromCart(input: $input) {{ cart {_CART} {_ERRORS} }} }}",
        variables={"input": {"sku": "CHAI-250"}},
    ),
    Example(
        name="cart",
        what="Show the cart, and what has changed since things were put into it.",
        who=STRANGER,
        ask="""query Cart { cart {
          itemCount total currency expiresAt
          lines {
            sku name quantity seenPrice unitPrice total stock
            variant { id product { slug images { alt sizes { width url } } } }
          }
          notices { sku code detail was now left }
        } }""",
    ),
    Example(
        name="place-cart",
        what="Order what is in the cart.",
        who=SHOPPER,
        ask="mutation PlaceCart { placeCart(input: $input) {"
        f" order {{ id number status total currency placedAt }} {_ERRORS} }} }}",
        variables={"input": {"note": "After 5, please."}},
    ),
    Example(
        name="my-orders",
        what="Page through one's own orders, the newest first.",
        who=SHOPPER,
        ask="query MyOrders { orders(first: $first, after: $after) {"
        f" totalCount nodes {{ id number status total currency placedAt }} {_PAGE} }} }}",
        variables={"first": 20, "after": None},
    ),
    Example(
        name="order",
        what="Show one order and all that happened to it.",
        who=SHOPPER,
        ask="""query Order { order(number: $number) {
          id number status total currency note placedAt deliveryMethod
          deliveryAddress { recipient line1 line2 city postcode country }
          lines { sku name quantity unitPrice total outstanding }
          history { at verb toStatus reason changes { name before after } }
        } }""",
        variables={"number": "1005"},
    ),
    Example(
        name="cancel-order",
        what="Call off an order that the shop has not accepted yet.",
        who=SHOPPER,
        ask="mutation CancelOrder { cancelOrder(id: $id, input: $input) {"
        f" order {{ id number status }} {_ERRORS} }} }}",
        variables={"id": "T3JkZXI6NQ==", "input": {"reason": "Found some at home."}},
    ),
    Example(
        name="bookable",
        what="Show what can be booked: the services, and of whom or what.",
        who=SHOPPER,
        ask="query Bookable"
        " { services(first: $first) { nodes { id number name duration fee } }"
        " resources(first: $first) { nodes { code name isDefault"
        " openingHours { weekday opens closes } } } }",
        variables={"first": 50},
    ),
    Example(
        name="free-times",
        what="Show which times are free for some services: without days, from today on for a week.",
        who=SHOPPER,
        ask="query FreeTimes"
        " { availability(resource: $resource, services: $services, from: $from, to: $to) {"
        " timeZone days { date times } } }",
        variables={"resource": "default", "services": "123,789", "from": None, "to": None},
    ),
    Example(
        name="book",
        what="Book services at a time that is free.",
        who=SHOPPER,
        ask=f"mutation Book {{ book(input: $input) {{ booking {_BOOKING} {_ERRORS} }} }}",
        variables={
            "input": {
                "datetime": "2026-11-25T09:00:00Z",
                "services": [{"id": "123"}, {"id": "789"}],
                "resource": "default",
            }
        },
    ),
    Example(
        name="my-bookings",
        what="Page through one's own bookings, the last first.",
        who=SHOPPER,
        ask="query MyBookings { bookings(first: $first, after: $after) {"
        f" totalCount nodes {_BOOKING} {_PAGE} }} }}",
        variables={"first": 20, "after": None},
    ),
    Example(
        name="move-booking",
        what="Move a booking to another time that is free.",
        who=SHOPPER,
        ask="mutation MoveBooking { moveBooking(id: $id, input: $input) {"
        f" booking {{ id number datetime status }} {_ERRORS} }} }}",
        variables={"id": "Qm9va2luZzoxMDAx", "input": {"datetime": "2026-11-26T09:00:00Z"}},
    ),
    Example(
        name="cancel-booking",
        what="Call off a booking; its time is free again.",
        who=SHOPPER,
        ask="mutation CancelBooking { cancelBooking(id: $id, input: $input) {"
        f" booking {{ id number status }} {_ERRORS} }} }}",
        variables={"id": "Qm9va2luZzoxMDAx", "input": {"reason": "It rains."}},
    ),
    Example(
        name="my-shipments",
        what="Show where one's goods are, the last first, and what the carrier says of them.",
        who=SHOPPER,
        ask="query MyShipments { shipments(first: $first, after: $after) { totalCount nodes {"
        " id number order status carrier trackingUrl sentAt"
        " parcels { items { sku name quantity } } timeline { at verb status detail }"
        f" }} {_PAGE} }} }}",
        variables={"first": 10, "after": None},
    ),
    Example(
        name="preview-standing-order",
        what="Show what an order that comes again would cost, and on which dates it would come.",
        who=SHOPPER,
        ask=f"query PreviewStandingOrder {{ newStandingOrderPreview(input: $input) {_COMING} }}",
        variables={
            "input": {"items": _ITEMS, "interval": "MONTH", "start": "2027-01-31", "count": 12}
        },
    ),
    Example(
        name="make-standing-order",
        what="Let something come again and again, at the price of each date.",
        who=SHOPPER,
        ask="mutation MakeStandingOrder { makeStandingOrder(input: $input) {"
        f" standingOrder {_STANDING} {_ERRORS} }} }}",
        variables={
            "input": {
                "items": _ITEMS,
                "interval": "MONTH",
                "start": "2027-01-31",
                "count": 12,
                "deliveryAddress": {
                    "recipient": "Wanjiru Kamau",
                    "line1": "Moi Avenue 12",
                    "city": "Nairobi",
                },
            }
        },
    ),
    Example(
        name="my-standing-orders",
        what="Page through one's own standing orders, the newest first, and what became of them.",
        who=SHOPPER,
        ask="query MyStandingOrders { standingOrders(first: $first, after: $after) {"
        " totalCount nodes { id number status nextOn items { sku name quantity }"
        f" occurrences {{ on status order shipment reason }} }} {_PAGE} }} }}",
        variables={"first": 20, "after": None},
    ),
    Example(
        name="coming",
        what="Show the next dates of a standing order and what they would cost.",
        who=SHOPPER,
        ask=f"query Coming {{ standingOrderPreview(number: $number) {_COMING} }}",
        variables={"number": "R1001"},
    ),
    Example(
        name="skip-standing-order",
        what="Let one date of a standing order pass.",
        who=SHOPPER,
        ask="mutation SkipStandingOrder { skipStandingOrder(id: $id, input: $input) {"
        f" standingOrder {{ id number status nextOn }} {_ERRORS} }} }}",
        variables={"id": _STANDING_ID, "input": {"on": "2027-01-31", "reason": "We are away."}},
    ),
    Example(
        name="pause-standing-order",
        what="Let nothing come until further notice.",
        who=SHOPPER,
        ask="mutation PauseStandingOrder { pauseStandingOrder(id: $id, input: $input) {"
        f" standingOrder {{ id number status nextOn }} {_ERRORS} }} }}",
        variables={"id": _STANDING_ID, "input": {"reason": "We are away."}},
    ),
    Example(
        name="resume-standing-order",
        what="Let it come again.",
        who=SHOPPER,
        ask="mutation ResumeStandingOrder { resumeStandingOrder(id: $id) {"
        f" standingOrder {{ id number status nextOn }} {_ERRORS} }} }}",
        variables={"id": _STANDING_ID},
    ),
    Example(
        name="end-standing-order",
        what="End a standing order for good.",
        who=SHOPPER,
        ask="mutation EndStandingOrder { endStandingOrder(id: $id, input: $input) {"
        f" standingOrder {{ id number status nextOn }} {_ERRORS} }} }}",
        variables={"id": _STANDING_ID, "input": {"reason": "We have moved."}},
    ),
    Example(
        name="waiting-orders",
        what="List the orders that wait for the shop, the oldest first.",
        who=STAFF,
        ask="query WaitingOrders { orderCounts { waiting }"
        " orders(status: $status, ordering: $ordering, first: $first, after: $after) { nodes {"
        " id number customerName total currency placedAt lines { sku name quantity }"
        f" }} {_PAGE} }} }}",
        variables={"status": "PENDING", "ordering": "PLACED_AT", "first": 50, "after": None},
    ),
    Example(
        name="accept-order",
        what="Accept a waiting order; the customer is told.",
        who=STAFF,
        ask="mutation AcceptOrder"
        f" {{ acceptOrder(id: $id) {{ order {{ id number status }} {_ERRORS} }} }}",
        variables={"id": "T3JkZXI6NA=="},
    ),
    Example(
        name="open-repairs",
        what="List the repair jobs that wait for the workshop, the oldest first.",
        who=REPAIRERS,
        ask="query OpenRepairs { repairCounts { opened jobCompleted attention }"
        " repairs(status: $status, ordering: $ordering, first: $first, after: $after) { nodes {"
        " id jobId jobDate clientFirstname clientLastname productType status allowed attention"
        f" }} {_PAGE} }} }}",
        variables={"status": "OPENED", "ordering": "JOB_DATE", "first": 50, "after": None},
    ),
    Example(
        name="move-repair",
        what="Say that a repair is done, with a note; at `CLOSED` the customer is told.",
        who=REPAIRERS,
        ask="mutation MoveRepair { moveRepair(id: $id, input: $input) { repair {"
        " id jobId status allowed updates { at status by } notes { text by }"
        f" }} {_ERRORS} }} }}",
        variables={
            "id": "UmVwYWlyOjIy",
            "input": {"jobStatus": "JOB_COMPLETED", "note": "A new spring."},
        },
    ),
    Example(
        name="interaction",
        what="Get a contact as MongoDB has it, byte for byte.",
        who=LISTENERS,
        ask="query Interaction { interaction(objectId: $objectId) { id document } }",
        variables={"objectId": "5f18d12f42262eec0d43567d"},
    ),
    Example(
        name="find-contacts",
        what="Find contacts by words and by fields of the source's own.",
        who=LISTENERS,
        ask="query FindContacts { interactions(search: $search, custom: $custom,"
        " ordering: $ordering, first: $first, after: $after) { nodes {"
        " id interactionDate agentName sentiment custom engagement { name client { name } }"
        f" }} {_PAGE} }} }}",
        variables={
            "search": "refund",
            "custom": ["rating[lte]=2"],
            "ordering": "INTERACTION_DATE_DESC",
            "first": 20,
            "after": None,
        },
    ),
    Example(
        name="record-contact",
        what="Take down a call; it is whose the number is.",
        who=LISTENERS,
        ask="mutation RecordContact { recordContact(input: $input) { interaction {"
        f" id agentName custom customer {{ code name }} }} {_ERRORS} }} }}",
        variables={
            "input": {
                "phone": "0722 000 000",
                "channel": "PHONE",
                "direction": "IN",
                "text": "Asks for more honey.",
            }
        },
    ),
    Example(
        name="reply-to-contact",
        what="Answer a contact by SMS, to the number it came from.",
        who=LISTENERS,
        ask="mutation ReplyToContact { replyToContact(id: $id, input: $input) { interaction {"
        f" id agentName custom }} {_ERRORS} }} }}",
        variables={
            "id": "SW50ZXJhY3Rpb246NWYxOGQxMmY0MjI2MmVlYzBkNDM1Njdk",
            "input": {"text": "We have it again. Come by before six."},
        },
    ),
]

_HEAD = """# Example documents

What shop-fronts usually ask of `/graphql/`. Each stands in a file of its own here, its variables
beside it; they fit the demo shop (`make run`), where each can be tried at
<http://127.0.0.1:8000/graphql/>. Ids, numbers of orders and free times are those of your shop.

Sent as `{"query": …, "variables": …}`. A stranger's cart is known by the header `X-Cart-Token`,
which brings the `token` of its first answer; who has signed in sends `Authorization: Bearer …`. A
mutation with a header `Idempotency-Key` can be sent again where its answer was lost. What the
caller can mend stands in a payload's `errors`, everything else in the answer's.

Written by `manage.py graphql_examples`, from `demo/graphql_examples.py`; the tests run them all.
"""


def files() -> dict[str, str]:
    """Return all that is written, by its file's name."""
    schema: GraphQLSchema = graphene_settings.SCHEMA.graphql_schema
    found, pages = {}, [_HEAD]
    for each in EXAMPLES:
        document = document_of(each, schema)
        variables = json.dumps(each.variables, indent=2)
        found[f"{each.name}.graphql"] = f"# {each.what}\n{document}\n"
        parts = [f"## {each.name}", f"{each.what} {each.who}", f"```graphql\n{document}\n```"]
        if each.variables:
            found[f"{each.name}.json"] = f"{variables}\n"
            parts.append(f"```json\n{variables}\n```")
        pages += [f"{part}\n" for part in parts]
    return found | {"README.md": "\n".join(pages)}


def document_of(example: Example, schema: GraphQLSchema) -> str:
    """Return an example's document, with each of its variables declared by the schema.

    Raises:
        ValueError: the schema refuses it.
    """
    document = parse(example.ask)
    info = TypeInfo(schema)
    declared = _Declared(info)
    visit(document, TypeInfoVisitor(info, declared))
    [operation] = document.definitions
    assert isinstance(operation, OperationDefinitionNode)  # noqa: S101  written above
    operation.variable_definitions = tuple(declared.found.values())
    errors = [error.message for error in validate(schema, document)]
    if set(declared.found) != set(example.variables):
        errors.append(f"its variables are {sorted(declared.found)}")
    if errors:
        raise ValueError(f"The example {example.name}: {'; '.join(errors)}")
    return print_ast(document)


class _Declared(Visitor):
    """Finds the variables that a document uses, and the type of each."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self._info = info
        self.found: dict[str, VariableDefinitionNode] = {}

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        kind = parse_type(str(self._info.get_input_type()))
        self.found[node.name.value] = VariableDefinitionNode(
            variable=node, type=kind, directives=(), default_value=None
        )
