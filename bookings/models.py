"""Services, who or what they are booked of, and the bookings."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Now

from customers.models import Customer

from .querysets import LONGEST_GAP, BookingQuerySet, ResourceQuerySet, ServiceQuerySet
from .states import BookingStatus, BookingVerb, Weekday

CODE_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}"
# As a number of JSON it is read right by everybody.
LARGEST_ID = 2**53 - 1
_ID: dict[str, Any] = {
    "primary_key": True,
    "verbose_name": "ID",
    "validators": [MinValueValidator(1), MaxValueValidator(LARGEST_ID)],
}


def default_gap() -> timedelta:
    gap: timedelta = settings.BOOKING_GAP
    return gap


class Service(models.Model):
    """Something that is done at a time. Other systems may have given it its id."""

    id = models.BigIntegerField(**_ID, help_text="Left empty, one is made.")
    name = models.CharField(max_length=200)
    duration = models.PositiveIntegerField(
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(24 * 60)],
        help_text="Minutes.",
    )
    fee = models.DecimalField(
        max_digits=12, decimal_places=2, default=Decimal(0), validators=[MinValueValidator(0)]
    )
    active = models.BooleanField(default=True, help_text="Whether it can be booked.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ServiceQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        permissions = [("manage_services", "Can manage services")]
        constraints = [
            models.CheckConstraint(condition=Q(fee__gte=0), name="service_fee_is_not_negative"),
            models.CheckConstraint(
                condition=Q(duration__gt=0), name="service_duration_is_positive"
            ),
        ]
        indexes = [models.Index(fields=["name", "id"], name="service_by_name")]

    def __str__(self) -> str:
        return self.name


class Resource(models.Model):
    """Who or what is booked: a person, a room, a bay. A small shop has the default one alone.

    `gap` is for what is booked from now on; each booking has the one that it was booked with.
    """

    code = models.CharField(
        max_length=32,
        unique=True,
        validators=[
            RegexValidator(
                rf"^{CODE_PATTERN}\Z",
                "Only letters, digits, dots, dashes and underscores, a letter or digit first.",
            )
        ],
    )
    name = models.CharField(max_length=200)
    gap = models.DurationField(
        default=default_gap, help_text="From the beginning of one booking to that of the next."
    )
    step = models.PositiveIntegerField(
        default=30,
        validators=[MinValueValidator(5), MaxValueValidator(24 * 60)],
        help_text="Minutes from one time that is offered to the next.",
    )
    is_default = models.BooleanField(
        default=False, editable=False, help_text="Booked where nobody says which."
    )
    active = models.BooleanField(default=True, help_text="Whether it can be booked.")

    objects = ResourceQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=Q(is_default=True), name="resource_default_is_one"
            ),
            models.CheckConstraint(
                condition=Q(gap__gt=timedelta(0), gap__lte=LONGEST_GAP),
                name="resource_gap_is_within_bounds",
                violation_error_message="More than nothing, and seven days at most.",
            ),
            models.CheckConstraint(condition=Q(step__gte=5), name="resource_step_is_no_flood"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def gap_in_minutes(self) -> int:
        return self.gap // timedelta(minutes=1)


class OpeningHours(models.Model):
    """From when to when a resource can be booked on a day of the week, by the shop's clocks."""

    resource = models.ForeignKey(Resource, on_delete=models.CASCADE, related_name="opening_hours")
    weekday = models.PositiveSmallIntegerField(choices=Weekday.choices)
    opens = models.TimeField()
    closes = models.TimeField(help_text="00:00 is midnight at the end of that day.")

    class Meta:
        ordering = ["weekday", "opens"]
        verbose_name_plural = "opening hours"
        constraints = [
            models.CheckConstraint(
                condition=Q(opens__lt=F("closes")) | Q(closes="00:00"),
                name="opening_hours_end_after_they_begin",
                violation_error_message="It must close after it opens.",
            ),
            models.CheckConstraint(
                condition=Q(weekday__in=Weekday.values), name="opening_hours_weekday_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_weekday_display()} {self.opens:%H:%M} to {self.closes:%H:%M}"


class ClosedDay(models.Model):
    """A day on which a resource, or without one all of the shop, is closed."""

    resource = models.ForeignKey(
        Resource,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="closed_days",
        help_text="Empty: all of them.",
    )
    date = models.DateField()
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["date", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["resource", "date"], nulls_distinct=False, name="closed_day_is_named_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.date}"


# The time that a booking takes: [datetime, datetime + gap). `timestamptz + interval` is not
# immutable, as a day has 23 hours somewhere; so it is added in UTC.
_IN_UTC = Func(
    Value("UTC"), F("datetime"), function="timezone", output_field=models.DateTimeField()
)
_SPAN = Func(
    F("datetime"),
    Func(
        Value("UTC"), _IN_UTC + F("gap"), function="timezone", output_field=models.DateTimeField()
    ),
    Value("[)"),
    function="tstzrange",
    output_field=DateTimeRangeField(),
)


class Booking(models.Model):
    """Services at a time; the contract calls it a service order.

    pending: booked, its time taken, waiting for the shop. confirmed: the shop will do it.
    cancelled: called off, its time is free again. done: it was done. no_show: they did not come.
    `bookings.states` has the moves. What was `imported` is history: it takes no time, and is
    changed no more.
    """

    id = models.BigIntegerField(**_ID, editable=False)
    datetime = models.DateTimeField("time")
    # As agreed, whatever its services cost by themselves.
    total_fee = models.DecimalField(max_digits=12, decimal_places=2)
    # ISO 4217, of the moment it was booked.
    currency = models.CharField(max_length=3, editable=False)
    customer = models.ForeignKey(
        Customer, null=True, blank=True, on_delete=models.PROTECT, related_name="bookings"
    )
    resource = models.ForeignKey(Resource, on_delete=models.PROTECT, related_name="bookings")
    services = models.ManyToManyField(Service, through="BookedService", related_name="bookings")
    status = models.CharField(
        max_length=16,
        choices=BookingStatus.choices,
        default=BookingStatus.PENDING,
        editable=False,
    )
    imported = models.BooleanField(default=False, editable=False)
    # The resource's when it was booked or moved: so long after its time the next one may begin.
    gap = models.DurationField(editable=False)
    # The time that its customer was reminded of: of another one they are reminded again.
    reminded_of = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = BookingQuerySet.as_manager()

    class Meta:
        ordering = ["-datetime", "-pk"]
        permissions = [("handle_booking", "Can handle bookings")]
        constraints = [
            ExclusionConstraint(
                name="booking_keeps_the_gap",
                expressions=[
                    ("resource", RangeOperators.EQUAL),
                    (_SPAN, RangeOperators.OVERLAPS),
                ],
                condition=Q(imported=False) & ~Q(status=BookingStatus.CANCELLED),
                violation_error_message="Another booking is too near.",
            ),
            models.CheckConstraint(
                condition=Q(status__in=BookingStatus.values), name="booking_status_is_known"
            ),
            models.CheckConstraint(
                condition=Q(total_fee__gte=0), name="booking_total_fee_is_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(gap__gt=timedelta(0), gap__lte=LONGEST_GAP),
                name="booking_gap_is_within_bounds",
            ),
        ]
        indexes = [
            models.Index(fields=["-datetime", "-id"], name="booking_by_time"),
            models.Index(fields=["resource", "datetime"], name="booking_by_resource"),
            models.Index(fields=["status", "-datetime", "-id"], name="booking_by_status"),
            models.Index(fields=["customer", "-datetime", "-id"], name="booking_by_customer"),
            # A customer's timeline.
            models.Index(fields=["customer", "-created_at", "-id"], name="booking_by_creation"),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def state(self) -> BookingStatus:
        return BookingStatus(self.status)


class BookedService(models.Model):
    """A service of a booking, with its fee when it was booked."""

    booking = models.ForeignKey(Booking, on_delete=models.CASCADE, related_name="booked")
    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="+")
    fee = models.DecimalField(max_digits=12, decimal_places=2)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["booking", "service"], name="booking_has_a_service_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.service_id}"


class BookingChange(models.Model):
    """Something that happened to a booking: what, who, when, why. Never changed."""

    booking = models.ForeignKey(Booking, on_delete=models.CASCADE, related_name="history")
    verb = models.CharField(max_length=16, choices=BookingVerb.choices)
    from_status = models.CharField(max_length=16, blank=True)
    to_status = models.CharField(max_length=16, choices=BookingStatus.choices)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(db_default=Now())
    reason = models.CharField(max_length=500, blank=True)
    # {field: [before, after]}, as the API says them.
    changes = models.JSONField(default=dict)

    class Meta:
        ordering = ["pk"]
        constraints = [
            # No state is ever entered twice; the database refuses what a race might try.
            models.UniqueConstraint(
                fields=["booking", "to_status"],
                condition=~Q(from_status=F("to_status")),
                name="booking_enters_each_status_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.from_status} → {self.to_status}"

    @property
    def customers_part(self) -> dict[str, Any]:
        """What its customer may know of the changes: not who had it before."""
        return {name: each for name, each in self.changes.items() if name != "customer"}
