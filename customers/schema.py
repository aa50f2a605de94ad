"""GraphQL of customers."""

from typing import Any

import graphene
from django.http import Http404
from graphene_django import DjangoObjectType
from graphql import GraphQLResolveInfo

from accounts.models import User
from accounts.schema import MineView
from core.graphql.lists import ListField
from core.graphql.mutations import Verb
from core.graphql.relations import ModelType, Node, selection_of
from core.graphql.rest import view_for
from customers import services
from customers.api.serializers import CodeInput, MyCustomerInput, PhoneInput
from customers.api.views import CustomerViewSet
from customers.models import Customer, PhoneCode


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
