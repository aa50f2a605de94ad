"""Every contact with a customer: whose it is, over which channel, and what was said."""

from datetime import datetime

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Now
from django.utils import timezone

from .fields import JsonbField, ObjectIdField
from .querysets import ClientQuerySet, EngagementQuerySet, InteractionQuerySet
from .states import Channel, Collection

_HEX = r"^[0-9a-f]{24}$"


class Client(models.Model):
    """A business whose customer contacts are stored; one of them is the shop itself."""

    id = ObjectIdField(primary_key=True)
    name = models.CharField(max_length=200)
    nick_name = models.CharField(max_length=200, blank=True)
    is_shop = models.BooleanField(
        default=False, editable=False, help_text="Whether it is the shop itself."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ClientQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=Q(id__regex=_HEX), name="client_id_is_an_object_id"),
            models.UniqueConstraint(
                fields=["is_shop"], condition=Q(is_shop=True), name="client_that_is_the_shop_is_one"
            ),
        ]
        indexes = [models.Index(fields=["name", "id"], name="client_by_name")]

    def __str__(self) -> str:
        return self.nick_name or self.name


class Engagement(models.Model):
    """One channel of a client's contacts: SMS, Chat, Facebook, Phone. It stays with its client."""

    id = ObjectIdField(primary_key=True)
    client = models.ForeignKey(
        Client, on_delete=models.PROTECT, related_name="engagements", db_index=False
    )
    name = models.CharField("channel", max_length=200)
    # Of the shop's own; null: none of these.
    channel = models.CharField(  # noqa: DJ001  unique where it is one
        max_length=16, choices=Channel.choices, null=True, unique=True, editable=False
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = EngagementQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(id__regex=_HEX), name="engagement_id_is_an_object_id"
            ),
        ]
        indexes = [
            models.Index(fields=["name", "id"], name="engagement_by_name"),
            models.Index(fields=["client", "name", "id"], name="engagement_by_client"),
        ]

    def __str__(self) -> str:
        return self.name


class Interaction(models.Model):
    """One contact: a chat log, a call, a tweet.

    `document` is the truth, as it came: the order of its keys, its numbers, its spaces. All other
    columns are what it is found by. `customer`, `order` and `source_id` are Duka's own and not in
    it; they are shown behind its members (`documents.extended`).
    """

    id = ObjectIdField(primary_key=True)
    # Its engagement's, which never changes: beside it for the index.
    client = models.ForeignKey(
        Client, on_delete=models.PROTECT, related_name="interactions", db_index=False
    )
    engagement = models.ForeignKey(
        Engagement, on_delete=models.PROTECT, related_name="interactions", db_index=False
    )
    source_id = models.CharField(
        max_length=200, blank=True, help_text="What its source calls it; once in an engagement."
    )
    interaction_date = models.DateTimeField("when")
    agent_name = models.CharField("agent", max_length=200, blank=True)
    sentiment = models.CharField(max_length=64, blank=True)
    customer = models.ForeignKey(
        "customers.Customer",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="interactions",
        db_index=False,
    )
    order = models.ForeignKey(
        "orders.Order",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="interactions",
        db_index=False,
    )
    document = models.TextField(editable=False)
    # What JSONB can hold of the custom document: `documents.indexable`.
    custom = JsonbField(editable=False)
    words = models.GeneratedField(
        expression=Func(
            F("agent_name"), F("sentiment"), F("custom"), function="conversations_words"
        ),
        output_field=SearchVectorField(),
        db_persist=True,
        editable=False,
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = InteractionQuerySet.as_manager()

    class Meta:
        ordering = ["-interaction_date", "-pk"]
        default_permissions = ("view",)
        permissions = [("handle_interaction", "Can write and import conversations")]
        constraints = [
            models.CheckConstraint(
                condition=Q(id__regex=_HEX), name="interaction_id_is_an_object_id"
            ),
            models.UniqueConstraint(
                fields=["source_id", "engagement"],
                condition=~Q(source_id=""),
                name="interaction_of_a_source_is_one",
            ),
        ]
        indexes = [
            # With what charts count by, so that they need not read the documents.
            models.Index(
                fields=["-interaction_date", "-id"],
                include=["engagement", "agent_name", "sentiment"],
                name="interaction_by_time",
            ),
            *(
                models.Index(
                    fields=[field, "-interaction_date", "-id"], name=f"interaction_by_{field}"
                )
                for field in ("client", "engagement", "agent_name", "sentiment")
            ),
            *(
                models.Index(
                    fields=[field, "-interaction_date", "-id"],
                    condition=Q(**{f"{field}__isnull": False}),
                    name=f"interaction_by_{field}",
                )
                for field in ("customer", "order")
            ),
            GinIndex(fields=["custom"], opclasses=["jsonb_path_ops"], name="interaction_by_custom"),
            GinIndex(fields=["words"], name="interaction_by_word"),
        ]

    def __str__(self) -> str:
        # A customer only where they are read already: a list must not ask for each.
        known = "customer" in self._state.fields_cache and self.customer
        at = self.local_date or self.interaction_date
        whom = known.name if known else self.agent_name
        return ", ".join(filter(None, [f"{at:%Y-%m-%d %H:%M}", whom]))

    @property
    def local_date(self) -> datetime | None:
        """When it was by the clock of now, on pages the shop's; None beyond the years it knows."""
        try:
            return timezone.localtime(self.interaction_date)
        except (OverflowError, ValueError):
            return None


class ImportedFile(models.Model):
    """A file that `import_interactions` takes in; each batch is one transaction with `position`.

    Whatever kills the command, no line is taken in twice and none is left out.
    """

    fingerprint = models.CharField(
        max_length=64, help_text="SHA-256 of the file and of how it is read."
    )
    name = models.CharField("file", max_length=200)
    collection = models.CharField(max_length=16, choices=Collection.choices)
    position = models.BigIntegerField(default=0, help_text="Bytes that are done, unpacked.")
    line = models.BigIntegerField(default=0, help_text="The last line that is done.")
    created = models.BigIntegerField(default=0)
    unchanged = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    started_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["fingerprint"], name="imported_file_is_one")]

    def __str__(self) -> str:
        return self.name


class RejectedLine(models.Model):
    """A line that could not be taken in, as it came, and why."""

    file = models.ForeignKey(ImportedFile, on_delete=models.CASCADE, related_name="rejected_lines")
    number = models.BigIntegerField(help_text="The first line of the file is 1.")
    # Bytes, as a line may be no text.
    content = models.BinaryField()
    errors = models.JSONField(help_text="[{pointer, code, detail}]")

    class Meta:
        ordering = ["number"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["file", "number"], name="rejected_line_is_kept_once")
        ]

    def __str__(self) -> str:
        return f"Line {self.number}"
