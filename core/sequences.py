"""Numbers that count up, from a PostgreSQL sequence that a migration made."""

from django.db import connection


def next_value(sequence: str) -> int:
    """Return the sequence's next value. No two callers get the same; a roll-back leaves a gap."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(%s::regclass)", [sequence])
        return int(cursor.fetchone()[0])
