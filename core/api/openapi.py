"""OpenAPI 3.1 from the views: ids, summaries, error answers and the shared headers."""

import re
from typing import Any

from drf_spectacular.openapi import AutoSchema as BaseAutoSchema
from drf_spectacular.plumbing import get_lib_doc_excludes
from drf_spectacular.utils import OpenApiParameter

from core import idempotency
from core.permissions import anybody

from .problems import CONTENT_TYPE
from .serializers import InputSerializer, ProblemSerializer
from .views import ResourceViewSet

_DESCRIPTIONS = {
    400: "The request is malformed or its input has errors; `errors` lists all of them.",
    401: "No credentials, or wrong ones.",
    403: "Signed in, but without the right to do this.",
    404: "There is no such thing, or the caller may not know of it.",
    406: "None of the accepted media types can be answered.",
    409: "The present state forbids it.",
    412: "`If-Match` names another state than the present one.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The `Idempotency-Key` came with another request before.",
    429: "Too many requests; see `Retry-After`.",
    500: "A failure here; nothing of the request took effect.",
    503: "Not now; see `Retry-After`. With an `Idempotency-Key` it is safe to send it again.",
}


class AutoSchema(BaseAutoSchema):
    """One convention for every operation; a view adds only what is its own.

    The first line of an action's docstring is the summary, the rest the description.
    """

    def get_operation_id(self) -> str:
        view = self.view
        if isinstance(view, ResourceViewSet) and view.action is not None:
            return f"{view.basename.replace('-', '_')}_{view.action}"
        return super().get_operation_id()

    def get_summary(self) -> str | None:
        return super().get_summary() or self._docstring()[0]

    def get_description(self) -> str:  # type: ignore[override]  # the stub is DRF's own
        return self._docstring()[1]

    def _docstring(self) -> tuple[str, str]:
        view = self.view
        noun = getattr(view, "basename", "").replace("-", " ")
        action = getattr(view, "action", None)
        method = getattr(view, action or self.method.lower(), None)
        own = method is not None and "ResourceViewSet." not in getattr(method, "__qualname__", "")
        text = (getattr(method, "__doc__", None) or "").strip() if own else ""
        if not text:
            text = {
                "list": f"List {self._plural(noun)}.",
                "retrieve": f"Get one {noun}.",
            }.get(action or "", "")
        summary, _, rest = text.partition("\n")
        return summary.strip(), rest.strip()

    def _plural(self, noun: str) -> str:
        return getattr(self.view, "plural", "") or re.sub(r"(?<![aeiou])ys$", "ies", f"{noun}s")

    def get_override_parameters(self) -> list[Any]:
        parameters = super().get_override_parameters()
        if not isinstance(self.view, ResourceViewSet):
            return parameters
        if self.method == "POST":
            parameters = [
                *parameters,
                _header(
                    idempotency.HEADER,
                    "Any unique text of the caller's. The same request sent again with it has no"
                    " further effect and gets the first answer again, for 24 hours.",
                ),
            ]
        if self._changes_one():
            parameters = [
                *parameters,
                _header("If-Match", "The `ETag` that was read: a change since gives 412."),
            ]
        return parameters

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation = super().get_operation(*args, **kwargs)
        if operation is None:
            return operation
        self.resolve_serializer(ProblemSerializer, "response")
        for status in self._error_statuses():
            operation["responses"].setdefault(
                str(status), {"$ref": f"#/components/responses/Problem{status}"}
            )
        return operation

    def _error_statuses(self) -> list[int]:
        statuses = {400, 401, 403, 406, 429, 500, 503}
        action = getattr(self.view, "action", self.method.lower())
        if (
            getattr(self.view, "detail", False)
            or "{" in self.path
            or action in getattr(self.view, "may_find_nothing", ())
        ):
            statuses.add(404)
        if self.method != "GET":
            statuses |= {409, 413, 415}
        elif action in getattr(self.view, "may_conflict", ()):
            statuses.add(409)
        if self.method == "POST":
            statuses.add(422)
        if self._changes_one():
            statuses.add(412)
        return sorted(statuses)

    def _changes_one(self) -> bool:
        return self.method != "GET" and getattr(self.view, "detail", False)

    def get_auth(self) -> list[Any]:
        auth: list[Any] = super().get_auth()
        permitted = getattr(self.view, "permitted", {})
        action = getattr(self.view, "action", self.method.lower())
        is_open = (permitted.get(action) or permitted.get("*")) is anybody
        return [*auth, {}] if is_open else auth

    def get_request_serializer(self) -> Any:
        view = self.view
        if isinstance(view, ResourceViewSet):
            return view.inputs.get(view.action or "")
        return super().get_request_serializer()


def with_problems(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Add what the operations' error answers refer to."""
    problem = {"$ref": "#/components/schemas/Problem"}
    result["components"]["responses"] = {
        f"Problem{status}": {
            "description": description,
            "content": {CONTENT_TYPE: {"schema": problem}},
        }
        for status, description in _DESCRIPTIONS.items()
    }
    return result


def bases() -> list[type]:
    """Return the classes whose docstrings their subclasses do not take over."""
    return [*get_lib_doc_excludes(), InputSerializer]  # type: ignore[no-untyped-call]  # as above


def _header(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=description)
