"""Orders, what they are for, and what happened to them."""

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from catalog.models import Variant
from customers.models import Customer

from .querysets import OrderQuerySet
from .states import OrderStatus


class Order(models.Model):
    """What a customer wants to have.

    pending: placed, its goods taken from stock, waiting for the shopkeeper.
    accepted: the shop will do it. fulfilled: the customer has it.
    rejected: the shop said no, with a reason. cancelled: called off before it was fulfilled.
    A rejected or cancelled order has given its goods back. `orders.states` has the moves.
    """

    number = models.CharField(max_length=20, unique=True, editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="orders")
    status = models.CharField(
        max_length=16, choices=OrderStatus.choices, default=OrderStatus.PENDING, editable=False
    )
    # ISO 4217, of the moment it was placed.
    currency = models.CharField(max_length=3, editable=False)
    total = models.DecimalField(max_digits=14, decimal_places=2, editable=False)
    note = models.TextField(blank=True, max_length=2000)
    placed_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = OrderQuerySet.as_manager()

    class Meta:
        ordering = ["-placed_at", "-pk"]
        permissions = [("handle_order", "Can handle orders")]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=OrderStatus.values), name="order_status_is_known"
            ),
            models.CheckConstraint(condition=Q(total__gte=0), name="order_total_is_not_negative"),
        ]
        indexes = [
            models.Index(fields=["-placed_at", "-id"], name="order_by_time"),
            models.Index(fields=["status", "-placed_at", "-id"], name="order_by_status"),
            models.Index(fields=["customer", "-placed_at", "-id"], name="order_by_customer"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def state(self) -> OrderStatus:
        return OrderStatus(self.status)


class OrderLine(models.Model):
    """So many of one variant, as it was called and priced when the order was placed."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    variant = models.ForeignKey(Variant, on_delete=models.PROTECT, related_name="+")
    sku = models.CharField("SKU", max_length=64)
    name = models.CharField(max_length=200)
    unit_price = models.DecimalField(max_digits=12, decimal_places=2)
    quantity = models.PositiveIntegerField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["order", "variant"], name="order_has_a_variant_once"),
            models.CheckConstraint(
                condition=Q(quantity__gt=0),
                name="order_line_quantity_is_positive",
                violation_error_message="Order at least one.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.name}"

    @property
    def total(self) -> Decimal:
        return self.unit_price * self.quantity


class OrderStatusChange(models.Model):
    """One step in an order's life: who, when, why. Never changed, never deleted."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="history")
    from_status = models.CharField(max_length=16, blank=True)
    to_status = models.CharField(max_length=16, choices=OrderStatus.choices)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(db_default=Now())
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            # No state is ever entered twice; the database refuses what a race might try.
            models.UniqueConstraint(
                fields=["order", "to_status"], name="order_enters_each_status_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.from_status} → {self.to_status}"
