"""Conversations: what one request may bring, and how long a question may take."""

from .env import checked, env

# Documents of a bulk request, and its bytes; one document has 16 MB at most, as in MongoDB.
CONVERSATIONS_BULK_DOCUMENTS = 10_000
CONVERSATIONS_BULK_BYTES = checked(
    "CONVERSATIONS_BULK_BYTES",
    env.int("CONVERSATIONS_BULK_BYTES", default=64 * 1024 * 1024),
    fits=lambda size: 1024 * 1024 <= size <= 1024**3,
    must="1048576 to 1073741824",
)
# Seconds for which the database may look for what somebody asks of the documents.
CONVERSATIONS_TIMEOUT_SECONDS = checked(
    "CONVERSATIONS_TIMEOUT_SECONDS",
    env.float("CONVERSATIONS_TIMEOUT_SECONDS", default=5),
    fits=lambda seconds: 0.05 <= seconds <= 120,
    must="0.05 to 120",
)
