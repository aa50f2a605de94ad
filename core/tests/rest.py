"""What tests of every app's REST say again and again."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern

from accounts.models import User
from accounts.services.machines import create_machine


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
    """Return (method, name of the address) of everything that an app serves."""
    return {
        (method, pattern.name or "") for pattern in urlpatterns for method in methods_of(pattern)
    }


def methods_of(pattern: URLPattern) -> set[str]:
    """Return the methods that a REST address serves, beside those that say nothing new."""
    view = pattern.callback
    # A viewset is told its methods by the router; a plain view has a method for each.
    served = getattr(view, "actions", None) or [
        method for method in view.cls.http_method_names if hasattr(view.cls, method)
    ]
    return {method.upper() for method in served} - {"HEAD", "OPTIONS"}


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


@dataclass(frozen=True, kw_only=True)
class Program:
    """A machine of the shop: the user that it is here, and the headers that it shows."""

    user: User
    headers: dict[str, str]


def program_with(*rights: str) -> Program:
    """Return a program that may what these rights of SHOP_RIGHTS say, with a token of its own."""
    machine, secret = create_machine(by=None, name="Till", rights=rights)
    grant = {
        "grant_type": "client_credentials",
        "client_id": machine.client_id,
        "client_secret": secret,
        "scope": "api",
    }
    response = Client().post("/identity/o/api/token", grant)
    assert response.status_code == 200, response.content
    token = response.json()["access_token"]
    return Program(user=machine.user, headers={"Authorization": f"Bearer {token}"})
