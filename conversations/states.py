"""Ways in which the shop itself speaks with its customers."""

from django.db.models import TextChoices


class Channel(TextChoices):
    """How a customer and the shop were in contact; each is an engagement of the shop's own."""

    SMS = "sms", "SMS"
    PHONE = "phone", "Phone"
    VISIT = "visit", "Visit"
    EMAIL = "email", "E-mail"
    CHAT = "chat", "Chat"
    OTHER = "other", "Other"


class Direction(TextChoices):
    """Who began."""

    IN = "in", "From the customer"
    OUT = "out", "To the customer"


class Collection(TextChoices):
    """What the documents of a file are, by MongoDB's name of their collection."""

    CLIENTS = "clients", "Clients"
    ENGAGEMENTS = "engagements", "Engagements"
    INTERACTIONS = "interactions", "Interactions"


class Outcome(TextChoices):
    """What became of a document that was to be stored."""

    CREATED = "created", "Created"
    # The very same document is there already.
    UNCHANGED = "unchanged", "Unchanged"
    FAILED = "failed", "Failed"
