"""Carriers, shipments and what carriers say of them, standing orders and their dates."""

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from catalog.models import Variant
from customers.models import Customer
from orders.models import Order, OrderLine

from .querysets import NewsQuerySet, OccurrenceQuerySet, ShipmentQuerySet, StandingOrderQuerySet
from .states import (
    FAILURES,
    FOR_CUSTOMERS,
    CircuitState,
    DeliveryService,
    Interval,
    NewsSource,
    NewsState,
    OccurrenceStatus,
    ShipmentStatus,
    ShipmentVerb,
    StandingOrderStatus,
    StandingOrderVerb,
)


class Carrier(models.Model):
    """A provider of `SHIPPING_PROVIDERS`: when it is sent to, and whether it can be asked now.

    A row is made for each that is configured (`services.sync_carriers`). `days` and `cut_off` are
    by the shop's clocks: what is ready by then goes out in one batch. Without days, at once.
    """

    name = models.CharField(max_length=32, unique=True, editable=False)
    active = models.BooleanField(default=True, help_text="Whether anything new goes by it.")
    days = ArrayField(
        models.PositiveSmallIntegerField(validators=[MinValueValidator(0), MaxValueValidator(6)]),
        default=list,
        blank=True,
        help_text="Days of the week of its batches, Monday is 0. Empty: sent at once.",
    )
    cut_off = models.TimeField(
        default="16:00", help_text="When its batch goes out, by the shop's clocks."
    )
    # The circuit: after failures in a row it is asked seldom, by one shipment at a time.
    failures = models.PositiveIntegerField(default=0, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    next_at = models.DateTimeField(db_default=Now(), editable=False)
    error = models.TextField(blank=True, editable=False)

    class Meta:
        ordering = ["name"]
        permissions = [("manage_carriers", "Can manage carriers")]

    def __str__(self) -> str:
        return self.name

    @property
    def circuit_state(self) -> CircuitState:
        if self.failures >= FAILURES:
            return CircuitState.DOWN
        return CircuitState.FAILING if self.failures else CircuitState.UP


class Shipment(models.Model):
    """Goods of an order that go to the customer by one carrier.

    `number` is the `order_id` of the contract: the carrier's name for it as well as ours. While a
    worker has it in hand, `fence` is that claim's stamp, until `leased_until`.
    `states.ShipmentStatus` says what the statuses mean.
    """

    number = models.CharField(max_length=35, unique=True, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="shipments")
    carrier = models.ForeignKey(Carrier, on_delete=models.PROTECT, related_name="shipments")
    service = models.CharField(
        max_length=16, choices=DeliveryService.choices, default=DeliveryService.STANDARD
    )
    status = models.CharField(
        max_length=32,
        choices=ShipmentStatus.choices,
        default=ShipmentStatus.WAITING,
        editable=False,
    )
    recipient = models.CharField(max_length=200)
    line_1 = models.CharField(max_length=200)
    line_2 = models.CharField(max_length=200, blank=True)
    city = models.CharField(max_length=100)
    postcode = models.CharField(max_length=20, blank=True)
    country = models.CharField(max_length=2, blank=True, help_text="ISO 3166-1 alpha-2.")

    # When it goes to the carrier, or the carrier is asked again.
    due_at = models.DateTimeField(db_default=Now())
    fence = models.UUIDField(null=True, editable=False)
    # By the database's clock: a day that is simulated takes nothing out of a worker's hands.
    leased_until = models.DateTimeField(null=True, editable=False)
    # Tries, without those of a carrier that was down.
    attempts = models.PositiveIntegerField(default=0, editable=False)
    # The carrier may have it: nothing is sent by another, or called off, without asking it.
    handed_at = models.DateTimeField(null=True, editable=False)
    sent_at = models.DateTimeField(null=True, editable=False)
    carrier_reference = models.CharField(
        max_length=128, blank=True, editable=False, help_text="The carrier's own name for it."
    )
    tracking_url = models.CharField(max_length=500, blank=True, editable=False)
    cost = models.DecimalField(max_digits=12, decimal_places=2, null=True, editable=False)
    cost_currency = models.CharField(max_length=3, blank=True, editable=False)
    cancel_asked_at = models.DateTimeField(null=True, editable=False)
    # Of the last event that was folded in, by the carrier's clock.
    last_event_at = models.DateTimeField(null=True, editable=False)
    # Its pieces count as handed over from then on, whatever the carrier says after.
    fulfilled_at = models.DateTimeField(null=True, editable=False)
    # When the carrier was heard of last: told us, or answered.
    heard_at = models.DateTimeField(null=True, editable=False)
    polled_at = models.DateTimeField(null=True, editable=False)
    error_code = models.CharField(max_length=64, blank=True, editable=False)
    error = models.TextField(blank=True, editable=False)
    attention = models.TextField(
        blank=True, editable=False, help_text="What a person is to look at; empty: nothing."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ShipmentQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        permissions = [("handle_shipment", "Can handle shipments")]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=ShipmentStatus.values), name="shipment_status_is_known"
            ),
            models.CheckConstraint(
                condition=Q(service__in=DeliveryService.values), name="shipment_service_is_known"
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="shipment_by_time"),
            models.Index(fields=["status", "-created_at", "-id"], name="shipment_by_status"),
            # What workers look for; small, as most shipments are done with.
            models.Index(
                fields=["due_at", "id"],
                condition=Q(status=ShipmentStatus.WAITING) | Q(cancel_asked_at__isnull=False),
                name="shipment_due",
            ),
            models.Index(
                fields=["heard_at"],
                condition=Q(
                    status__in=[
                        ShipmentStatus.SENT,
                        ShipmentStatus.WAITING_FOR_COLLECTION,
                        ShipmentStatus.IN_TRANSIT,
                    ]
                ),
                name="shipment_silent",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def state(self) -> ShipmentStatus:
        return ShipmentStatus(self.status)

    @property
    def customers_status(self) -> ShipmentStatus:
        """Where it stands for its customer: what the carrier dislikes is the shop's to mend."""
        refused = self.status == ShipmentStatus.REFUSED
        return ShipmentStatus.WAITING if refused else self.state

    @property
    def is_ours(self) -> bool:
        """Whether certainly no carrier has it."""
        return self.handed_at is None and self.state in {
            ShipmentStatus.WAITING,
            ShipmentStatus.REFUSED,
        }


class Parcel(models.Model):
    """A box of a shipment."""

    shipment = models.ForeignKey(Shipment, on_delete=models.CASCADE, related_name="parcels")
    position = models.PositiveSmallIntegerField(help_text="Which of them, from 1.")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["shipment", "position"], name="parcel_has_its_own_position"
            )
        ]

    def __str__(self) -> str:
        return f"{self.shipment_id}/{self.position}"

    @property
    def weight(self) -> int:
        """Grams of all in it."""
        return sum(item.quantity * item.weight for item in self.items.all())


class ParcelItem(models.Model):
    """So many pieces of an order's line in a parcel, as heavy as they were when it was packed."""

    parcel = models.ForeignKey(Parcel, on_delete=models.CASCADE, related_name="items")
    line = models.ForeignKey(OrderLine, on_delete=models.PROTECT, related_name="+")
    quantity = models.PositiveIntegerField()
    weight = models.PositiveIntegerField(help_text="Grams of one piece.")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["parcel", "line"], name="parcel_has_a_line_once"),
            models.CheckConstraint(
                condition=Q(quantity__gt=0), name="parcel_item_quantity_is_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.line_id}"


class ShipmentEvent(models.Model):
    """Something that happened to a shipment. Never changed."""

    shipment = models.ForeignKey(Shipment, on_delete=models.CASCADE, related_name="timeline")
    verb = models.CharField(max_length=16, choices=ShipmentVerb.choices)
    # Where it stood then; of an event what the carrier says of it, though it may be old news.
    status = models.CharField(max_length=32, choices=ShipmentStatus.choices)
    # When it happened, by the carrier's clock where it is the carrier who says so.
    at = models.DateTimeField(db_default=Now())
    noted_at = models.DateTimeField(db_default=Now())
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    detail = models.TextField(blank=True)
    # {field: [before, after]}, as the API says them.
    changes = models.JSONField(default=dict)
    news = models.ForeignKey("News", null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["at", "pk"]
        default_permissions = ()
        constraints = [
            # Told twice it is one thing that happened.
            models.UniqueConstraint(
                fields=["shipment", "status", "at"],
                condition=Q(verb=ShipmentVerb.EVENT),
                name="shipment_event_is_told_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.status}"

    @property
    def is_internal(self) -> bool:
        """Whether it is between the shop and the carrier, and nothing to the customer."""
        return self.verb not in FOR_CUSTOMERS

    @property
    def customers_detail(self) -> str:
        """What the carrier says of its way; what the shop says is its own."""
        return self.detail if self.verb == ShipmentVerb.EVENT else ""


class News(models.Model):
    """What a carrier told us, as it came, stored before it is looked at."""

    carrier = models.ForeignKey(Carrier, on_delete=models.PROTECT, related_name="news")
    source = models.CharField(max_length=16, choices=NewsSource.choices)
    # What makes one delivery of it unique, where the carrier says so: it counts once.
    nonce = models.CharField(max_length=128, null=True)  # noqa: DJ001  many have none
    content_type = models.CharField(max_length=100, blank=True)
    body = models.BinaryField()
    state = models.CharField(max_length=16, choices=NewsState.choices, default=NewsState.NEW)
    detail = models.CharField(max_length=300, blank=True)
    # Which shipment it names.
    reference = models.CharField(max_length=64, blank=True)
    shipment = models.ForeignKey(
        Shipment, null=True, on_delete=models.SET_NULL, related_name="news"
    )
    received_at = models.DateTimeField(db_default=Now())

    objects = NewsQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "news"
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["carrier", "nonce"], name="news_of_a_carrier_come_once")
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(state=NewsState.NEW), name="news_to_look_at"),
            models.Index(
                fields=["reference"],
                condition=Q(state=NewsState.UNMATCHED),
                name="news_unmatched",
            ),
            models.Index(fields=["received_at"], name="news_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.carrier_id} {self.reference}"

    @property
    def text(self) -> str:
        return bytes(self.body).decode(errors="replace")


class StandingOrder(models.Model):
    """An order that comes again every so many weeks or months.

    Its dates are `start`, and from there every `every` intervals by the shop's calendar; on the
    31st it means the last day of shorter months, and stays on the 31st after. It ends after `end`
    or `count` dates, whichever is given, skipped ones included.
    """

    number = models.CharField(max_length=20, unique=True, editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="standing_orders")
    status = models.CharField(
        max_length=16,
        choices=StandingOrderStatus.choices,
        default=StandingOrderStatus.ACTIVE,
        editable=False,
    )
    interval = models.CharField(max_length=8, choices=Interval.choices)
    every = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(52)]
    )
    start = models.DateField(help_text="Its first date, by the shop's calendar.")
    end = models.DateField(null=True, blank=True, help_text="No date after it.")
    count = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="So many dates in all."
    )
    # The next date that nothing was done about; null: there is none.
    next_on = models.DateField(null=True, editable=False)
    # Which of its dates that is, from 0.
    position = models.PositiveIntegerField(default=0, editable=False)
    carrier = models.ForeignKey(Carrier, on_delete=models.PROTECT, related_name="+")
    service = models.CharField(
        max_length=16, choices=DeliveryService.choices, default=DeliveryService.STANDARD
    )
    recipient = models.CharField(max_length=200)
    line_1 = models.CharField(max_length=200)
    line_2 = models.CharField(max_length=200, blank=True)
    city = models.CharField(max_length=100)
    postcode = models.CharField(max_length=20, blank=True)
    country = models.CharField(max_length=2, blank=True, help_text="ISO 3166-1 alpha-2.")
    # The date of which its customer was told that it comes up.
    told_of = models.DateField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = StandingOrderQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        permissions = [("handle_standingorder", "Can handle standing orders")]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=StandingOrderStatus.values),
                name="standing_order_status_is_known",
            ),
            models.CheckConstraint(
                condition=Q(every__gte=1, every__lte=52),
                name="standing_order_interval_is_within_bounds",
            ),
            models.CheckConstraint(
                condition=Q(end=None) | Q(end__gte=F("start")),
                name="standing_order_ends_after_it_begins",
            ),
            models.CheckConstraint(
                condition=Q(end=None) | Q(count=None), name="standing_order_has_one_end"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_on", "id"],
                condition=Q(status=StandingOrderStatus.ACTIVE, next_on__isnull=False),
                name="standing_order_due",
            ),
            models.Index(
                fields=["customer", "-created_at", "-id"], name="standing_order_by_customer"
            ),
            models.Index(fields=["-created_at", "-id"], name="standing_order_by_time"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def state(self) -> StandingOrderStatus:
        return StandingOrderStatus(self.status)

    def is_of(self, user_id: int | None) -> bool:
        """Tell whether it is this user's own."""
        return user_id is not None and self.customer.user_id == user_id


class StandingItem(models.Model):
    """So many pieces of a variant that a standing order is for, at the price of each date."""

    standing_order = models.ForeignKey(
        StandingOrder, on_delete=models.CASCADE, related_name="items"
    )
    variant = models.ForeignKey(Variant, on_delete=models.PROTECT, related_name="+")
    quantity = models.PositiveIntegerField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["standing_order", "variant"], name="standing_order_has_a_variant_once"
            ),
            models.CheckConstraint(
                condition=Q(quantity__gt=0), name="standing_item_quantity_is_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.variant_id}"


class Occurrence(models.Model):
    """One date of a standing order that something was done about; the next ones have no row."""

    standing_order = models.ForeignKey(
        StandingOrder, on_delete=models.CASCADE, related_name="occurrences"
    )
    on = models.DateField()
    status = models.CharField(max_length=16, choices=OccurrenceStatus.choices)
    order = models.OneToOneField(
        Order, null=True, on_delete=models.PROTECT, related_name="occurrence"
    )
    shipment = models.OneToOneField(
        Shipment, null=True, on_delete=models.PROTECT, related_name="occurrence"
    )
    # Why it waits, was skipped or missed, in a sentence.
    reason = models.CharField(max_length=500, blank=True)
    try_at = models.DateTimeField(null=True, editable=False)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True)

    objects = OccurrenceQuerySet.as_manager()

    class Meta:
        ordering = ["-on", "-pk"]
        default_permissions = ("view",)
        constraints = [
            # Each date once, however many workers run and wherever one dies.
            models.UniqueConstraint(
                fields=["standing_order", "on"], name="standing_order_has_a_date_once"
            ),
            models.CheckConstraint(
                condition=Q(status=OccurrenceStatus.ORDERED, order__isnull=False)
                | (~Q(status=OccurrenceStatus.ORDERED) & Q(order=None)),
                name="occurrence_has_an_order_where_it_was_ordered",
            ),
        ]
        indexes = [
            models.Index(
                fields=["try_at", "id"],
                condition=Q(status=OccurrenceStatus.WAITING),
                name="occurrence_waiting",
            )
        ]

    def __str__(self) -> str:
        return f"{self.standing_order_id} {self.on}"

    @property
    def customers_reason(self) -> str:
        """What its customer wrote, or why it waits; the rest is between the shop and its people."""
        is_theirs = self.standing_order.is_of(self.by_id)
        return self.reason if is_theirs or self.status == OccurrenceStatus.WAITING else ""


class StandingOrderChange(models.Model):
    """Something that happened to a standing order: what, who, when. Never changed."""

    standing_order = models.ForeignKey(
        StandingOrder, on_delete=models.CASCADE, related_name="history"
    )
    verb = models.CharField(max_length=16, choices=StandingOrderVerb.choices)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(db_default=Now())
    reason = models.CharField(max_length=500, blank=True)
    changes: Any = models.JSONField(default=dict)

    class Meta:
        ordering = ["pk"]
        default_permissions = ()

    def __str__(self) -> str:
        return self.verb

    @property
    def customers_reason(self) -> str:
        """What its customer wrote themselves; the rest is between the shop and its people."""
        return self.reason if self.standing_order.is_of(self.by_id) else ""
