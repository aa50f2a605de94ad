"""GraphQL of customers."""

from collections.abc import Sequence
from typing import Any

import graphene
from django.http import Http404
from graphene_django import DjangoObjectType
from graphql import GraphQLResolveInfo

from accounts.models import User
from accounts.schema import MineView
from core import timeline
from core.api.problems import UnknownParameter
from core.errors import InvalidInput
from core.graphql.lists import ListField, PageInfo
from core.graphql.mutations import Verb
from core.graphql.relations import ModelType, Node, selection_of
from core.graphql.rest import view_for
from core.keyset import BadCursor
from customers import services
from customers.api.serializers import CodeInput, MyCustomerInput, PhoneInput
from customers.api.views import CustomerViewSet
from customers.models import Customer, PhoneCode

_KIND = graphene.Enum(
    "TimelineKind",
    # Apps above this one have registered theirs before any schema is made.
    [(name.upper(), name) for name in timeline.kinds()],
    description=lambda each: (
        f"{timeline.kinds()[each.value].label}." if each else "What stands in a timeline."
    ),
)


class TimelineEntryType(graphene.ObjectType):
    """One thing of a customer's history, where it began."""

    class Meta:
        name = "TimelineEntry"

    at = graphene.NonNull(
        graphene.DateTime, description="When it began: was placed, booked, queued, said."
    )
    kind = graphene.NonNull(_KIND, description="What it is.")
    reference = graphene.NonNull(
        graphene.String,
        description="What its own field of `Query` and its REST address know it by.",
    )
    title = graphene.NonNull(graphene.String, description="What it is, in a short sentence.")
    status = graphene.NonNull(
        graphene.String, description="Where it stands now, in REST's word; empty: nowhere."
    )
    text = graphene.NonNull(
        graphene.String, description="The first 200 characters that were written in it."
    )


class TimelineEntryEdge(graphene.ObjectType):
    """An entry of a page, and where it stands."""

    node = graphene.NonNull(TimelineEntryType, description="The entry.")
    cursor = graphene.NonNull(graphene.String, description="For `after`.")


class TimelineEntryConnection(graphene.ObjectType):
    """A page of a timeline. Nobody counts all of it: it is in the tables of many apps."""

    edges = graphene.NonNull(
        graphene.List(graphene.NonNull(TimelineEntryEdge)),
        description="Its entries with their cursors.",
    )
    nodes = graphene.NonNull(
        graphene.List(graphene.NonNull(TimelineEntryType)), description="Its entries alone."
    )
    page_info = graphene.NonNull(PageInfo, description="What is before and after it.")
    kinds = graphene.NonNull(
        graphene.List(graphene.NonNull(_KIND)),
        description="What was looked at: of those asked for, what the caller may see.",
    )


class CustomerType(ModelType):
    """Somebody the shop sells to."""

    view = CustomerViewSet

    class Meta:
        name = "Customer"
        model = Customer
        interfaces = (Node,)
        fields = ("id", "code", "name", "phone", "email", "language", "created_at", "updated_at")
        convert_choices_to_enum = False

    code = graphene.NonNull(graphene.String, description="What the shop knows them by: `C1001`.")
    timeline = graphene.Field(
        TimelineEntryConnection,
        first=graphene.Int(required=True, description="So many from the front, or after `after`."),
        after=graphene.String(description="A cursor: the page starts after it."),
        kinds=graphene.List(graphene.NonNull(_KIND), description="Of these alone."),
        description="All that the shop knows of them, the newest first, for those who may see"
        " customers. Of one customer at a time: not in a list.",
    )

    def resolve_timeline(
        self: Customer,
        info: GraphQLResolveInfo,
        first: int,
        after: str | None = None,
        kinds: Sequence[Any] | None = None,
    ) -> dict[str, Any]:
        view_for(CustomerViewSet, info, "timeline")
        if any(isinstance(step, int) for step in info.path.as_list()):
            # Each takes a statement or two of every app.
            raise InvalidInput("Ask for the timeline of one customer: `customer(code:)`.")
        return _page(
            self, info, first=first, after=after, only=[each.value for each in kinds or ()]
        )


def _page(
    customer: Customer,
    info: GraphQLResolveInfo,
    *,
    first: int,
    after: str | None,
    only: Sequence[str],
) -> dict[str, Any]:
    try:
        page = timeline.page_of(
            customer, user=info.context.user, size=first, only=only, cursor=after
        )
    except BadCursor:
        detail = "Not a cursor of a timeline; start at the first page."
        raise UnknownParameter({"after": [detail]}) from None
    edges = [{"node": each, "cursor": timeline.cursor_of(each)} for each in page.entries]
    return {
        "edges": edges,
        "nodes": page.entries,
        "kinds": page.kinds,
        "page_info": {
            "has_next_page": page.has_next,
            "has_previous_page": page.has_previous,
            "start_cursor": edges[0]["cursor"] if edges else None,
            "end_cursor": edges[-1]["cursor"] if edges else None,
        },
    }


class PhoneCodeType(DjangoObjectType):
    """A code that was sent to a phone."""

    class Meta:
        name = "PhoneCode"
        model = PhoneCode
        fields = ("phone", "expires_at")


class CustomersQuery(graphene.ObjectType):
    my_customer = graphene.Field(
        CustomerType,
        description="Who signed in as a customer, on whom orders and messages hang; null until a"
        " phone number or an e-mail address is proved.",
    )
    customers = ListField(
        CustomerType, view=CustomerViewSet, description="Customers, for those who may see them."
    )
    customer = graphene.Field(
        CustomerType,
        code=graphene.String(required=True, description="Its `code`."),
        description="One customer, for those who may see them; null: there is none.",
    )

    def resolve_my_customer(self, info: GraphQLResolveInfo) -> Customer | None:
        view_for(MineView, info, "retrieve")
        return services.ensure_customer_of(user=info.context.user)

    def resolve_customer(self, info: GraphQLResolveInfo, code: str) -> Any:
        return CustomerType.found(info, selection_of(info), code=code)


def _update_customer(*, key: int, by: User, **changes: Any) -> int:
    return services.update_customer(customer_id=key, **changes).pk


def _update_mine(*, by: User, **changes: Any) -> Customer:
    customer = services.ensure_customer_of(user=by)
    if customer is None:
        raise Http404
    return services.update_customer(customer_id=customer.pk, **changes)


class CustomersMutation(graphene.ObjectType):
    update_my_customer = Verb(
        _update_mine,
        view=MineView,
        action="partial_update",
        kind=CustomerType,
        form=MyCustomerInput,
        partial=True,
        show=lambda info, asked, customer: customer,
        description="Change one's own data as a customer.",
    )
    send_phone_code = Verb(
        lambda by, **data: services.send_phone_code(user=by, **data),
        view=MineView,
        action="create",
        kind=PhoneCodeType,
        form=PhoneInput,
        show=lambda info, asked, code: code,
        # What is counted stays counted.
        whole=False,
        description="Have a code sent to one's phone, to prove that the number is one's own.",
    )
    confirm_phone = Verb(
        lambda by, **data: services.claim_phone(user=by, **data),
        view=MineView,
        action="create",
        kind=CustomerType,
        form=CodeInput,
        show=lambda info, asked, customer: customer,
        # A try that failed stays used up.
        whole=False,
        description="Prove one's phone number by its code.",
    )
    create_customer = Verb(
        lambda by, **data: services.create_customer(**data).pk,
        view=CustomerViewSet,
        action="create",
        kind=CustomerType,
        description="Create a customer.",
    )
    update_customer = Verb(
        _update_customer,
        view=CustomerViewSet,
        action="partial_update",
        kind=CustomerType,
        of=CustomerType,
        input_name="CustomerChangeInput",
        partial=True,
        description="Change some fields of a customer; what is left out stays.",
    )
