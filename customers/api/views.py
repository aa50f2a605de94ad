"""REST of customers."""

from typing import cast

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from core.api.views import ResourceViewSet
from customers import services
from customers.models import Customer
from customers.permissions import can_manage_customers, can_see_customers

from .filters import CustomerFilter
from .serializers import (
    CodeInput,
    CustomerInput,
    CustomerSerializer,
    MyCustomerInput,
    PhoneCodeSerializer,
    PhoneInput,
)
from .timeline import TimelineEntrySerializer, TimelineFilter, TimelinePagination


class MyCustomerView(APIView):
    permission_classes = (IsAuthenticated,)
    may_find_nothing = ("get", "patch")

    @extend_schema(
        operation_id="my_customer",
        summary="Me as a customer.",
        responses=CustomerSerializer,
        tags=["me"],
    )
    def get(self, request: Request) -> Response:
        """The record that orders and messages hang on; 404 until a phone or e-mail is proved."""
        return Response(CustomerSerializer(self._own(request)).data)

    @extend_schema(
        operation_id="my_customer_change",
        summary="Change my data as a customer.",
        request=MyCustomerInput,
        responses=CustomerSerializer,
        tags=["me"],
    )
    def patch(self, request: Request) -> Response:
        """The name is changed at `/me/`, the phone number by proving it at `/me/phone/`."""
        form = MyCustomerInput(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        customer = services.update_customer(
            customer_id=self._own(request).pk, **form.validated_data
        )
        return Response(CustomerSerializer(customer).data)

    def _own(self, request: Request) -> Customer:
        customer = services.ensure_customer_of(user=cast("User", request.user))
        if customer is None:
            raise Http404
        return customer


class MyPhoneView(APIView):
    """Plain, as an Idempotency-Key would give back a try that was used up."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(
        operation_id="my_phone",
        summary="Have a code sent to my phone.",
        request=PhoneInput,
        responses={202: PhoneCodeSerializer},
        tags=["me"],
    )
    def post(self, request: Request) -> Response:
        """By SMS; it proves that the number is the caller's."""
        form = PhoneInput(data=request.data)
        form.is_valid(raise_exception=True)
        sent = services.send_phone_code(user=cast("User", request.user), **form.validated_data)
        return Response(PhoneCodeSerializer(sent).data, status=status.HTTP_202_ACCEPTED)


class MyPhoneConfirmView(APIView):
    permission_classes = (IsAuthenticated,)

    @extend_schema(
        operation_id="my_phone_confirm",
        summary="Prove my phone number by its code.",
        request=CodeInput,
        responses=CustomerSerializer,
        tags=["me"],
    )
    def post(self, request: Request) -> Response:
        """A customer record that has the number, and no account yet, becomes the caller's."""
        form = CodeInput(data=request.data)
        form.is_valid(raise_exception=True)
        customer = services.claim_phone(user=cast("User", request.user), **form.validated_data)
        return Response(CustomerSerializer(customer).data)


class CustomerViewSet(ResourceViewSet):
    queryset = Customer.objects.all()
    serializer_class = CustomerSerializer
    lookup_field = "code"
    inputs = {
        "create": CustomerInput,
        "update": CustomerInput,
        "partial_update": CustomerInput,
    }
    permitted = {
        "list": can_see_customers,
        "retrieve": can_see_customers,
        "timeline": can_see_customers,
        "*": can_manage_customers,
    }
    filterset_class = CustomerFilter
    search_fields = ("name", "code", "phone", "email")
    ordering = "name"
    ordering_fields = ("name", "created_at")

    def create(self, request: Request) -> Response:
        """Create a customer."""
        return self.created(services.create_customer(**self.input()).pk)

    def update(self, request: Request, code: str) -> Response:
        """Change a customer."""
        changes = self.input()
        return self.change_locked(
            lambda customer: services.update_customer(customer_id=customer.pk, **changes)
        )

    def partial_update(self, request: Request, code: str) -> Response:
        """Change some fields of a customer."""
        return self.update(request, code)

    def destroy(self, request: Request, code: str) -> Response:
        """Delete a customer who never ordered."""
        return self.delete_locked(
            lambda customer: services.delete_customer(customer_id=customer.pk)
        )

    @extend_schema(responses=TimelineEntrySerializer(many=True))
    @action(
        detail=True,
        filterset_class=TimelineFilter,
        pagination_class=TimelinePagination,
        search_fields=(),
        ordering_fields=(),
    )
    def timeline(self, request: Request, code: str) -> Response:
        """Show all that the shop knows of a customer, the newest first.

        Orders, bookings, shipments, messages, contacts, …: each once, where it began, with where
        it stands now. `kinds` says what was looked at: what the caller may not see is left out.
        Repair jobs are found by the customer's phone number.
        """
        return TimelinePagination().answer(self.get_object(), request, self)
