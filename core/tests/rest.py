"""What tests of every app's REST say again and again."""

import base64
import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from django.urls import URLPattern


def problem(
    response: HttpResponse,
    *,
    code: str,
    detail: str,
    errors: Iterable[tuple[str, str, str]] = (),
    **members: Any,
) -> dict[str, Any]:
    """Return the whole problem document that the response should have as its body.

    Args:
        errors: (pointer, code, detail) of each.
    """
    return {
        "type": "about:blank",
        "title": HTTPStatus(response.status_code).phrase,
        "status": response.status_code,
        "detail": detail,
        "code": code,
        "errors": [
            {"pointer": pointer, "code": code, "detail": detail} for pointer, code, detail in errors
        ],
        "request_id": response["X-Request-ID"],
        **members,
    }


def pointers(response: HttpResponse) -> list[tuple[str, str]]:
    """Return (pointer, code) of each error of a 400."""
    assert response.status_code == 400, (response.status_code, response.content)
    return [(each["pointer"], each["code"]) for each in response.json()["errors"]]


def parameters(response: HttpResponse) -> list[tuple[str, str]]:
    """Return (parameter, code) of each error of a 400 about the query."""
    assert response.status_code == 400, (response.status_code, response.content)
    return [(each["parameter"], each["code"]) for each in response.json()["errors"]]


def routes_of(urlpatterns: Iterable[URLPattern]) -> set[tuple[str, str]]:
    """Return (method, name of the address) of everything that an app's router serves."""
    return {
        (method.upper(), pattern.name or "")
        for pattern in urlpatterns
        for method in pattern.callback.actions  # type: ignore[attr-defined]
        if method != "head"  # added by the first request
    }


def utc(time: Any) -> str:
    """Return a time as the API writes it."""
    return time.isoformat().replace("+00:00", "Z")


def problem_of(response: HttpResponse) -> dict[str, Any]:
    """Return what a problem document says beyond the status and the request's id."""
    assert response["Content-Type"] == "application/problem+json"
    body = json.loads(response.content)
    assert list(body)[:7] == ["type", "title", "status", "detail", "code", "errors", "request_id"]
    assert body.pop("type") == "about:blank"
    assert body.pop("status") == response.status_code
    assert body.pop("request_id") == response["X-Request-ID"]
    return body


def basic(username: str, password: str = "pw") -> dict[str, str]:
    """Return the headers that sign somebody in by name and password."""
    token = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"Authorization": f"Basic {token}"}
