"""GraphQL (graphene-django): what one request may ask."""

import json
from pathlib import Path

from .env import checked, env

# Named here, or DEBUG would bring a middleware that shows statements.
GRAPHENE = {"SCHEMA": "config.schema.schema", "MIDDLEWARE": ()}


def _limit(name: str, default: int) -> int:
    return int(
        checked(
            name, env.int(name, default=default), fits=lambda number: number > 0, must="more than 0"
        )
    )


GRAPHQL_MAX_BYTES = _limit("GRAPHQL_MAX_BYTES", 131_072)
# Names, brackets and the like of one document.
GRAPHQL_MAX_TOKENS = _limit("GRAPHQL_MAX_TOKENS", 2000)
# Fields inside fields.
GRAPHQL_MAX_DEPTH = _limit("GRAPHQL_MAX_DEPTH", 12)
# Fields that are asked for more than once in one place, by alias or again.
GRAPHQL_MAX_ALIASES = _limit("GRAPHQL_MAX_ALIASES", 30)
# Objects that an answer may hold; see core.graphql.limits.
GRAPHQL_MAX_COST = _limit("GRAPHQL_MAX_COST", 5000)
# Operations sent in one list.
GRAPHQL_MAX_BATCH = _limit("GRAPHQL_MAX_BATCH", 10)
GRAPHQL_MAX_PAGE_SIZE = _limit("GRAPHQL_MAX_PAGE_SIZE", 100)
# A JSON file of {SHA-256: document}, as `manage.py graphql_allow_list` writes it. Where it is
# given, nothing else is answered.
GRAPHQL_ALLOW_LIST = env.str("GRAPHQL_ALLOW_LIST", default="").strip()


def _holds_documents(name: str) -> bool:
    try:
        documents = json.loads(Path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(documents, dict) and all(isinstance(each, str) for each in documents.values())


checked(
    "GRAPHQL_ALLOW_LIST",
    GRAPHQL_ALLOW_LIST,
    fits=lambda name: not name or _holds_documents(name),
    must="a JSON file of documents by their SHA-256",
)
