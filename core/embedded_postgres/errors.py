class EmbeddedPostgresError(Exception):
    """The private PostgreSQL cannot be used; the message is a sentence for a person."""
