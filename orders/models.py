"""Orders, what they are for, and what happened to them."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now

from catalog.models import Variant
from customers.models import Customer

from .querysets import CartQuerySet, OrderQuerySet
from .states import CartNoticeCode, DeliveryMethod, OrderStatus, OrderVerb


class Order(models.Model):
    """What a customer wants to have.

    draft: being put together by the shop; nothing is taken from stock, nobody is told.
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
    # What it was called where it was uploaded from.
    reference = models.CharField(max_length=64, null=True, blank=True, unique=True, editable=False)
    delivery_method = models.CharField(
        max_length=16, choices=DeliveryMethod.choices, default=DeliveryMethod.COLLECTION
    )
    # Empty where it is collected.
    recipient = models.CharField(max_length=200, blank=True)
    address_line_1 = models.CharField(max_length=200, blank=True)
    address_line_2 = models.CharField(max_length=200, blank=True)
    city = models.CharField(max_length=100, blank=True)
    postcode = models.CharField(max_length=20, blank=True)
    country = models.CharField(max_length=2, blank=True, help_text="ISO 3166-1 alpha-2.")
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="assigned_orders",
        help_text="Who sees to it.",
    )
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
            models.CheckConstraint(
                condition=Q(delivery_method=DeliveryMethod.COLLECTION)
                | (
                    Q(delivery_method=DeliveryMethod.DELIVERY)
                    & ~Q(recipient="")
                    & ~Q(address_line_1="")
                    & ~Q(city="")
                ),
                name="order_delivery_has_an_address",
            ),
        ]
        indexes = [
            models.Index(fields=["-placed_at", "-id"], name="order_by_time"),
            models.Index(fields=["status", "-placed_at", "-id"], name="order_by_status"),
            models.Index(fields=["customer", "-placed_at", "-id"], name="order_by_customer"),
            models.Index(fields=["assigned_to", "-placed_at", "-id"], name="order_by_assignee"),
            models.Index(fields=["-total", "-id"], name="order_by_total"),
            # So small that the counts are read from it rather than from the table.
            models.Index(fields=["status"], name="order_counts"),
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
    fulfilled = models.PositiveIntegerField(default=0, help_text="Pieces the customer got.")
    returned = models.PositiveIntegerField(default=0, help_text="Of these, pieces that came back.")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(fulfilled__lte=F("quantity")),
                name="order_line_fulfils_no_more_than_ordered",
            ),
            models.CheckConstraint(
                condition=Q(returned__lte=F("fulfilled")),
                name="order_line_returns_no_more_than_fulfilled",
            ),
            models.UniqueConstraint(fields=["order", "variant"], name="order_has_a_variant_once"),
            models.CheckConstraint(
                condition=Q(quantity__gt=0),
                name="order_line_quantity_is_positive",
                violation_error_message="Order at least one.",
            ),
        ]
        indexes = [models.Index(Lower("sku"), "order", name="order_line_by_sku")]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.name}"

    @property
    def total(self) -> Decimal:
        return self.unit_price * self.quantity

    @property
    def outstanding(self) -> int:
        """Pieces that the customer is still to get."""
        return self.quantity - self.fulfilled


class OrderChange(models.Model):
    """Something that happened to an order: what, who, when, why. Never changed, never deleted."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="history")
    verb = models.CharField(max_length=16, choices=OrderVerb.choices)
    from_status = models.CharField(max_length=16, blank=True)
    to_status = models.CharField(max_length=16, choices=OrderStatus.choices)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(db_default=Now())
    reason = models.CharField(max_length=500, blank=True)
    # {field: [before, after]}; a line's quantities by "SKU quantity", "SKU fulfilled", ….
    changes = models.JSONField(default=dict)

    class Meta:
        ordering = ["pk"]
        constraints = [
            # No state is ever entered twice; the database refuses what a race might try.
            models.UniqueConstraint(
                fields=["order", "to_status"],
                condition=~Q(from_status=F("to_status")),
                name="order_enters_each_status_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.from_status} → {self.to_status}"

    @property
    def is_internal(self) -> bool:
        """Whether it is the shop's own affair and none of the customer's."""
        return self.verb == OrderVerb.ASSIGNED or self.to_status == OrderStatus.DRAFT

    @property
    def customers_part(self) -> "tuple[str, dict[str, Any]]":
        """What the customer may know of reason and changes."""
        if self.verb == OrderVerb.RETURNED:
            # What the shop thinks of goods that came back, and does with them, is its own.
            return "", {name: each for name, each in self.changes.items() if name != "restocked"}
        return self.reason, self.changes


@dataclass(frozen=True, kw_only=True)
class CartNotice:
    """Why a line of a cart is not what the shopper saw, or cannot be had as it stands.

    `was` and `now` are of a price that changed, `left` of goods of which less is left.
    """

    sku: str
    name: str
    code: CartNoticeCode
    was: Decimal | None = None
    now: Decimal | None = None
    left: int | None = None

    @property
    def detail(self) -> str:
        what = f"{self.name} ({self.sku})"
        return {
            CartNoticeCode.PRICE_CHANGED: f"{what} costs {self.now} now; it was {self.was}.",
            CartNoticeCode.LESS_LEFT: f"Only {self.left} of {what} left.",
            CartNoticeCode.OUT_OF_STOCK: f"{what} is sold out.",
            CartNoticeCode.NOT_FOR_SALE: f"{what} is not for sale any more.",
        }[self.code]


class Cart(models.Model):
    """What somebody means to order: a shopper's one open cart, or a stranger's by its token.

    A cart that is placed or left alone for too long is deleted. It holds no stock.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="cart",
    )
    # SHA-256 of a stranger's token; empty once somebody signed in has it.
    token_digest = models.CharField(max_length=64, null=True, blank=True, unique=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(db_index=True)

    objects = CartQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(user=None) ^ Q(token_digest=None), name="cart_has_one_owner"
            )
        ]

    def __str__(self) -> str:
        return f"Cart {self.pk}"

    @classmethod
    def empty(cls) -> "Cart":
        """Return what is shown to those who have none: an empty cart is not kept."""
        return cls(updated_at=None)  # type: ignore[misc]  # it was never changed

    @property
    def contents(self) -> "list[CartLine]":
        return list(self.lines.all()) if self.pk else []

    @property
    def total(self) -> Decimal:
        """What it costs now."""
        return sum((line.total for line in self.contents), Decimal("0.00"))

    @property
    def item_count(self) -> int:
        """Pieces of all lines."""
        return sum(line.quantity for line in self.contents)

    @property
    def notices(self) -> list[CartNotice]:
        return [notice for line in self.contents for notice in line.notices]


class CartLine(models.Model):
    """So many of one variant, with the price that the shopper saw last."""

    cart = models.ForeignKey(Cart, on_delete=models.CASCADE, related_name="lines")
    variant = models.ForeignKey(Variant, on_delete=models.CASCADE, related_name="+")
    quantity = models.PositiveIntegerField()
    seen_price = models.DecimalField(max_digits=12, decimal_places=2)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["cart", "variant"], name="cart_has_a_variant_once"),
            models.CheckConstraint(
                condition=Q(quantity__gt=0), name="cart_line_quantity_is_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.variant_id}"

    @property
    def is_for_sale(self) -> bool:
        variant, product = self.variant, self.variant.product
        return product.is_published and variant.archived_at is None and product.archived_at is None

    @property
    def unit_price(self) -> Decimal:
        """The price of now; of what is not for sale, the last that was seen."""
        return self.variant.price if self.is_for_sale else self.seen_price

    @property
    def left(self) -> int:
        """Pieces that can be had."""
        return self.variant.stock if self.is_for_sale else 0

    @property
    def total(self) -> Decimal:
        """What it adds to the cart's: nothing, where it is not for sale."""
        return self.unit_price * self.quantity if self.is_for_sale else Decimal("0.00")

    @property
    def notices(self) -> list[CartNotice]:
        """What the shopper is to know before they place the cart."""
        if not self.is_for_sale:
            return [self._notice(CartNoticeCode.NOT_FOR_SALE)]
        notices = []
        if self.unit_price != self.seen_price:
            notices.append(
                self._notice(CartNoticeCode.PRICE_CHANGED, was=self.seen_price, now=self.unit_price)
            )
        if not self.left:
            notices.append(self._notice(CartNoticeCode.OUT_OF_STOCK))
        elif self.left < self.quantity:
            notices.append(self._notice(CartNoticeCode.LESS_LEFT, left=self.left))
        return notices

    def _notice(
        self,
        code: CartNoticeCode,
        *,
        was: Decimal | None = None,
        now: Decimal | None = None,
        left: int | None = None,
    ) -> CartNotice:
        variant = self.variant
        return CartNotice(
            sku=variant.sku, name=variant.display_name, code=code, was=was, now=now, left=left
        )
