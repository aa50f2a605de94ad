"""Answers GraphQL over HTTP, authenticated, limited and told errors as REST is."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.utils.cache import patch_cache_control, patch_vary_headers
from drf_spectacular.utils import extend_schema
from graphene_django.settings import graphene_settings
from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    execute,
)
from graphql.execution.values import get_variable_values
from rest_framework.exceptions import MethodNotAllowed, ParseError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core import idempotency
from core.api.parsers import JSONParser
from core.etags import etag_of, matches_if_none_match

from .documents import NOT_KNOWN_YET, Document, Invalid, find, persisted_digest
from .errors import formatted
from .limits import Cost, Counted, hold_cost, refused

RESPONSE_TYPE = "application/graphql-response+json"
Answer = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Operation:
    """What is to be executed: valid, and within all limits."""

    document: Document
    node: OperationDefinitionNode
    variables: Mapping[str, Any]
    cost: int

    @property
    def is_mutation(self) -> bool:
        return self.node.operation == OperationType.MUTATION

    @property
    def fields(self) -> set[str]:
        return _fields(self.document, self.node.selection_set, set())


class _Refused(Exception):
    """A request of which nothing is executed."""

    def __init__(self, errors: list[GraphQLError], status: int = 400) -> None:
        super().__init__(*errors)
        self.errors, self.status = errors, status


@extend_schema(exclude=True)  # it has a schema of its own
class GraphQLView(APIView):
    """One operation or a list of them, by POST; a query by GET too.

    Args:
        public: root fields that may be kept by caches where a stranger asks.
        key_owner: whose Idempotency-Keys count; None: nobody's, as nobody is known.
    """

    permission_classes = (AllowAny,)
    http_method_names = ["get", "head", "post"]
    public: frozenset[str] = frozenset()
    key_owner: Callable[[Request], str | None] | None = None

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[Any, str]:
        # JSON to everybody: browsers and programs accept all kinds of things.
        renderer = self.get_renderers()[0]
        return renderer, renderer.media_type

    def get(self, request: Request) -> HttpResponseBase:
        parameters = request.query_params
        if not {"query", "extensions"} & set(parameters) and _is_browser(request):
            # What is sent from the page needs the cookie.
            get_token(request._request)
            return render(request._request, "core/graphiql.html")
        asked = {
            "query": parameters.get("query"),
            "operationName": parameters.get("operationName"),
            "variables": _json_in(parameters, "variables"),
            "extensions": _json_in(parameters, "extensions"),
        }
        operation = self._prepared(asked)
        if operation.is_mutation:
            raise MethodNotAllowed("GET", detail="A mutation is sent by POST.")
        status, answer = self._executed(operation)
        response = self._response(answer, status)
        if status == 200 and "errors" not in answer:
            response["ETag"] = etag_of(answer)
            if matches_if_none_match(request, response["ETag"]):
                response = Response(status=304, headers={"ETag": response["ETag"]})
        is_public = operation.fields <= self.public and not request.user.is_authenticated
        patch_cache_control(response, no_cache=True, **{"public" if is_public else "private": True})
        patch_vary_headers(response, ["Accept", "Authorization", "Cookie"])
        return response

    def post(self, request: Request) -> HttpResponseBase:
        size, limit = len(request.body), settings.GRAPHQL_MAX_BYTES
        if size > limit:
            message = f"A request has at most {limit} bytes."
            raise _Refused([refused("too_large", message, requested=size, limit=limit)], 413)
        body = request.data
        asked = body if isinstance(body, list) else [body]
        limit = settings.GRAPHQL_MAX_BATCH
        if not 1 <= len(asked) <= limit:
            message = f"A list has 1 to {limit} operations."
            raise _Refused([refused("batch_too_large", message, requested=len(asked), limit=limit)])
        operations: list[_Operation] = []
        for each in asked:
            spent = sum(one.cost for one in operations)
            operations.append(self._prepared(each, spent=spent))

        def handle() -> Response:
            return self._answered(operations, as_list=isinstance(body, list), whole=bool(caller))

        caller = None
        if idempotency.HEADER in request.headers and any(each.is_mutation for each in operations):
            caller = self.key_owner(request) if self.key_owner else None
        if caller is None:
            return handle()
        return idempotency.run_once(
            request, caller=caller, handle=handle, on_error=self.handle_exception
        )

    def handle_exception(self, exc: Exception) -> Response:
        """Answer an error of the whole request in GraphQL's form, with REST's status."""
        if isinstance(exc, _Refused):
            answer = {"errors": [formatted(each) for each in exc.errors]}
            response = self._response(answer, exc.status)
            patch_cache_control(response, no_store=True)
            return response
        response = super().handle_exception(exc)
        told = response.data
        extensions = {name: told[name] for name in ("code", "status", "request_id")}
        response.data = {"errors": [{"message": told["detail"], "extensions": extensions}]}
        response.content_type = self._content_type
        return response

    @property
    def _schema(self) -> GraphQLSchema:
        schema: GraphQLSchema = graphene_settings.SCHEMA.graphql_schema
        return schema

    def _prepared(self, asked: Any, *, spent: int = 0) -> _Operation:
        """Return the operation that is asked for, or raise `_Refused`.

        Args:
            spent: what those before it in a list cost.
        """
        if not isinstance(asked, dict):
            raise ParseError("A GraphQL request is an object, or a list of objects.")
        text, name = asked.get("query"), asked.get("operationName")
        variables, extensions = asked.get("variables") or {}, asked.get("extensions") or {}
        for value, field in ((text, "query"), (name, "operationName")):
            if not isinstance(value, str | None):
                raise ParseError(f"`{field}` is a text.")
        for value, field in ((variables, "variables"), (extensions, "extensions")):
            if not isinstance(value, dict):
                raise ParseError(f"`{field}` is an object.")
        try:
            document = find(self._schema, text=text or None, digest=persisted_digest(extensions))
            node = document.operation(name)
            coerced = get_variable_values(
                self._schema, node.variable_definitions, variables, max_errors=20
            )
            if isinstance(coerced, list):
                raise _Refused(coerced)
            cost = Cost(self._schema, document.fragments, coerced).of(node)
            hold_cost(cost, spent=spent)
        except Invalid as invalid:
            raise _Refused(invalid.errors) from None
        except GraphQLError as error:
            known = (error.extensions or {}).get("code") != NOT_KNOWN_YET
            raise _Refused([error], 400 if known else 200) from None
        return _Operation(document=document, node=node, variables=variables, cost=cost)

    def _executed(self, operation: _Operation) -> tuple[int, Answer]:
        """Return the answer, and the status of its first error where nothing else came out."""
        name = operation.node.name
        result: Any = execute(
            self._schema,
            operation.document.ast,
            context_value=self.request,
            variable_values=dict(operation.variables),
            operation_name=name.value if name else None,
            execution_context_class=Counted,
        )
        figures = {"requested": operation.cost, "limit": settings.GRAPHQL_MAX_COST}
        answer: Answer = {"data": result.data, "extensions": {"cost": figures}}
        if not result.errors:
            return 200, answer
        answer["errors"] = [formatted(each) for each in result.errors]
        status = answer["errors"][0]["extensions"].get("status", 200)
        came_out = any(value is not None for value in (result.data or {}).values())
        # Clients take any but 200 for a failure of the transport.
        told = not came_out and (status in {401, 403, 429} or status >= 500)
        return (status if told else 200), answer

    def _answered(self, operations: list[_Operation], *, as_list: bool, whole: bool) -> Response:
        """Execute operations one after the other.

        Args:
            whole: nothing of it stays where anything fails that nobody foresaw.
        """
        answers, statuses = [], []
        for each in operations:
            status, answer = self._executed(each)
            if whole and (worst := _worst(answer)) >= 500:
                # The transaction goes, and with it what was done before.
                answer, status = {"data": None, "errors": answer["errors"]}, worst
                return self._response([answer] if as_list else answer, status)
            answers.append(answer)
            statuses.append(status)
        return self._response(
            answers if as_list else answers[0], 200 if 200 in statuses else max(statuses)
        )

    @property
    def _content_type(self) -> str | None:
        return RESPONSE_TYPE if RESPONSE_TYPE in self.request.headers.get("Accept", "") else None

    def _response(self, answer: Any, status: int) -> Response:
        response = Response(answer, status=status, content_type=self._content_type)
        if status == 401:
            response["WWW-Authenticate"] = self.get_authenticate_header(self.request) or ""
        return response


def _worst(answer: Answer) -> int:
    return max(
        (each["extensions"].get("status", 0) for each in answer.get("errors", ())), default=0
    )


def _fields(document: Document, selections: SelectionSetNode, seen: set[str]) -> set[str]:
    """Return the names of an operation's own fields; each fragment is looked at once."""
    found: set[str] = set()
    for each in selections.selections:
        match each:
            case FieldNode():
                found.add(each.name.value)
            case InlineFragmentNode():
                found |= _fields(document, each.selection_set, seen)
            case FragmentSpreadNode() if each.name.value not in seen:
                seen.add(each.name.value)
                found |= _fields(document, document.fragments[each.name.value].selection_set, seen)
    return found


def _is_browser(request: Request) -> bool:
    return "text/html" in request.headers.get("Accept", "")


def _json_in(parameters: Any, name: str) -> Any:
    text = parameters.get(name)
    if not text:
        return None
    try:
        # What a body may not hold, an address may not either.
        return JSONParser().parse(io.BytesIO(text.encode()))
    except ParseError:
        raise ParseError(f"`{name}` is not JSON.") from None
