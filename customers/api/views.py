"""REST of customers."""

from rest_framework.request import Request
from rest_framework.response import Response

from core.api.views import ResourceViewSet
from customers import services
from customers.models import Customer
from customers.permissions import can_manage_customers, can_see_customers

from .filters import CustomerFilter
from .serializers import CustomerInput, CustomerSerializer


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
