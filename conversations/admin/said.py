"""What was said in an interaction, for people: its text, not its document."""

from collections.abc import Iterable

from django.db import connection

IN_A_LIST = 80
ON_ITS_PAGE = 2000
# Larger documents are not looked through: for a list, and for a page of its own.
LARGEST_IN_A_LIST = 64 * 1024
LARGEST_ON_ITS_PAGE = 1024 * 1024
# The shop's own have one text; of others all that is called so, or else all texts there are. The
# size is asked first: PostgreSQL knows it without reading what is so large.
_SAID = """
SELECT id, left(CASE WHEN octet_length(document) <= %s THEN coalesce(
    CASE WHEN jsonb_typeof(custom -> 'text') = 'string' THEN nullif(custom ->> 'text', '') END,
    (SELECT string_agg(each, %s) FROM jsonb_array_elements_text(jsonb_path_query_array(
        custom, 'strict $.** ? (exists(@.text)).text ? (@.type() == "string" && @ != "")'
    )) each),
    (SELECT string_agg(each, %s) FROM jsonb_array_elements_text(jsonb_path_query_array(
        custom, 'strict $.** ? (@.type() == "string" && @ != "")'
    )) each),
    ''
) END, %s) FROM conversations_interaction WHERE id = ANY(%s)
"""


def said_in(
    keys: Iterable[str],
    *,
    length: int = IN_A_LIST,
    largest: int = LARGEST_IN_A_LIST,
    between: str = " · ",
) -> dict[str, str | None]:
    """Return the beginning of what was said, by id; None of a document that is too large."""
    with connection.cursor() as cursor:
        # One more, to see whether that is all.
        cursor.execute(_SAID, [largest, between, between, length + 1, list(keys)])
        return {
            key: said if said is None or len(said) <= length else f"{said[:length]}…"
            for key, said in cursor.fetchall()
        }


def said_on_its_page(key: str) -> str | None:
    """Return what was said in one, with a line for each text; None where it is too large."""
    said = said_in([key], length=ON_ITS_PAGE, largest=LARGEST_ON_ITS_PAGE, between="\n")
    return said.get(key)
