"""Documents: parsed and validated once each, known by their hash, or by an allow-list alone."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

from django.conf import settings
from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    parse,
    print_ast,
    validate,
)
from graphql.validation.rules import overlapping_fields_can_be_merged
from graphql.validation.validate import ValidationAbortedError

from .limits import Shape, refused

# Of each process: so many documents, and characters of all of them. A character of the worst takes
# 150 bytes, once it is parsed.
_KEPT = 500
_KEPT_LENGTH = 250_000
NOT_KNOWN_YET = "PERSISTED_QUERY_NOT_FOUND"
_MOST_FRAGMENTS = 50
_MOST_ERRORS = 20
# Comparisons of fields with those of the same name, of which fragments make ever more: GraphQL's
# own limit is seconds of work. Ten fragments of each other's kind come to a thousand.
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 10_000


@dataclass(frozen=True)
class Document:
    """A valid document within the limits of form."""

    ast: DocumentNode
    operations: Mapping[str | None, OperationDefinitionNode]
    fragments: Mapping[str, FragmentDefinitionNode]
    length: int

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """Return the operation of this name, or the only one."""
        if name:
            if name not in self.operations:
                raise _invalid(f"There is no operation {name}.")
            return self.operations[name]
        if len(self.operations) != 1:
            raise _invalid("Several operations: say which by `operationName`.")
        return next(iter(self.operations.values()))


class Invalid(Exception):
    """A document that the schema refuses; `errors` say why."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(*errors)
        self.errors = errors


class _Recent:
    """The documents that were used last, by the hash of their text."""

    def __init__(self) -> None:
        self._documents: OrderedDict[tuple[str, int], Document] = OrderedDict()
        self._length = 0
        self._lock = Lock()

    def get(self, key: tuple[str, int]) -> Document | None:
        with self._lock:
            if key in self._documents:
                self._documents.move_to_end(key)
            return self._documents.get(key)

    def put(self, key: tuple[str, int], document: Document) -> None:
        with self._lock:
            # Another thread may have put it there meanwhile.
            before = self._documents.pop(key, None)
            self._documents[key] = document
            self._length += document.length - (before.length if before else 0)
            while len(self._documents) > _KEPT or self._length > _KEPT_LENGTH:
                self._length -= self._documents.popitem(last=False)[1].length

    def clear(self) -> None:
        with self._lock:
            self._documents.clear()
            self._length = 0


recent = _Recent()


def find(schema: GraphQLSchema, *, text: str | None, digest: str | None) -> Document:
    """Return the document that a request means.

    Args:
        text: the document, where it was sent.
        digest: its SHA-256 in hexadecimal, where that was sent: alone, or to be known by it later.

    Raises:
        GraphQLError: it is unknown, not on the allow-list, or against a limit.
        Invalid: the schema refuses it.
    """
    if text is None and digest is None:
        raise _invalid("Send a document as `query`, or its hash as `extensions.persistedQuery`.")
    if text is not None:
        found = digest_of(text)
        if digest is not None and digest.lower() != found:
            raise _invalid("`sha256Hash` is not the hash of this document.")
        digest = found
    assert digest is not None  # noqa: S101  one of both is there
    digest = digest.lower()
    allowed = _allow_list()
    if allowed is not None:
        if digest not in allowed:
            raise GraphQLError(
                "This shop answers only the documents of its own shop-fronts.",
                extensions={"code": "not_on_allow_list"},
            )
        text = allowed[digest]
    key = (digest, id(schema))
    document = recent.get(key)
    if document is not None:
        return document
    if text is None:
        # To the letter, with status 200: Apollo's clients send the text again when they read this.
        raise GraphQLError("PersistedQueryNotFound", extensions={"code": NOT_KNOWN_YET})
    document = valid(schema, text)
    # Only now: what is wrong must not push out what is right.
    recent.put(key, document)
    return document


def valid(schema: GraphQLSchema, text: str) -> Document:
    """Return a document of this text.

    Raises:
        GraphQLError: it cannot be read, or is against a limit.
        Invalid: the schema refuses it.
    """
    ast = _parsed(text)
    fragments: dict[str, FragmentDefinitionNode] = {}
    operations: dict[str | None, OperationDefinitionNode] = {}
    for each in ast.definitions:
        if isinstance(each, FragmentDefinitionNode):
            fragments[each.name.value] = each
        elif isinstance(each, OperationDefinitionNode):
            operations[each.name.value if each.name else None] = each
    if len(fragments) > _MOST_FRAGMENTS:
        raise refused(
            "too_many_fragments",
            f"{len(fragments)} fragments; at most {_MOST_FRAGMENTS} are read.",
            requested=len(fragments),
            limit=_MOST_FRAGMENTS,
        )
    try:
        Shape(fragments).check(operations.values())
    except RecursionError:
        # A chain of fragments, each of which alone could be read.
        raise _too_deep() from None
    if errors := validate(schema, ast, max_errors=_MOST_ERRORS):
        if len(errors) <= _MOST_ERRORS and isinstance(errors[-1], ValidationAbortedError):
            raise GraphQLError(
                "Its fragments and repeated fields are too many to compare with each other.",
                extensions={"code": "too_complex"},
            )
        raise Invalid(errors)
    if not operations:
        raise _invalid("There is no operation in it.")
    return Document(ast, operations, fragments, len(text))


def _parsed(text: str) -> DocumentNode:
    limit = settings.GRAPHQL_MAX_TOKENS
    try:
        return parse(text, max_tokens=limit)
    except GraphQLSyntaxError as error:
        if error.message.startswith("Syntax Error: Document is nested too deeply"):
            raise _too_deep() from None
        if error.message.startswith("Syntax Error: Document contains more than"):
            raise GraphQLError(
                f"A document has at most {limit} tokens (names, brackets and the like).",
                extensions={"code": "too_many_tokens", "limit": limit},
            ) from None
        raise


def _too_deep() -> GraphQLError:
    return GraphQLError(
        "The document is nested too deeply.",
        extensions={"code": "too_deep", "limit": settings.GRAPHQL_MAX_DEPTH},
    )


def digest_of(text: str) -> str:
    """Return the name of a document: its SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def _allow_list() -> dict[str, str] | None:
    """Return the documents that alone are answered, by their hash; None: all are."""
    name = settings.GRAPHQL_ALLOW_LIST
    return _read_allow_list(name) if name else None


@lru_cache(maxsize=1)
def _read_allow_list(name: str) -> dict[str, str]:
    documents: dict[str, str] = json.loads(Path(name).read_text())
    # Most clients hash what they print, not what somebody wrote.
    printed = {digest_of(each): each for each in map(print_ast, map(parse, documents.values()))}
    return printed | {digest_of(text): text for text in documents.values()}


def _invalid(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": "invalid"})


def persisted_digest(extensions: Mapping[str, Any]) -> str | None:
    """Return the hash in a request's extensions (Apollo's automatic persisted queries)."""
    persisted = extensions.get("persistedQuery")
    if persisted is None:
        return None
    digest = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    if not isinstance(digest, str) or persisted.get("version") != 1:
        raise _invalid("`persistedQuery` needs `version` 1 and a `sha256Hash`.")
    return digest
