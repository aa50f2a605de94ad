"""The shop-front's API as somebody uses it: `Graph(user)("{ shop { name } }")`."""

import json
from typing import Any

from django.http import HttpResponse

from accounts.models import User
from accounts.tests.factories import browser_of


class Graph:
    """A caller of `/graphql/`; `headers` go with each request: `Graph(x_cart_token="…")`."""

    def __init__(self, user: User | None = None, **headers: str) -> None:
        self.client = browser_of(user, raise_request_exception=False)
        self.headers = headers

    def ask(self, document: str, variables: Any = None, **headers: str) -> HttpResponse:
        return self.client.post(
            "/graphql/",
            json.dumps({"query": document, "variables": variables}),
            content_type="application/json",
            headers={
                name.replace("_", "-"): value for name, value in {**self.headers, **headers}.items()
            },
        )

    def __call__(self, document: str, variables: Any = None, **headers: str) -> Any:
        """Return the data of an answer without errors; of one field, what it holds."""
        response = self.ask(document, variables, **headers)
        body = response.json()
        assert (response.status_code, body.get("errors")) == (200, None), body
        return next(iter(body["data"].values())) if len(body["data"]) == 1 else body["data"]

    def done(self, document: str, variables: Any = None, **headers: str) -> Any:
        """Return the payload of a mutation that nothing stood in the way of."""
        payload = self(document, variables, **headers)
        assert payload.pop("errors", []) == [], payload
        return payload

    def refused(self, document: str, variables: Any = None, **headers: str) -> Any:
        """Return (field, code) of each of a payload's errors."""
        payload = self(document, variables, **headers)
        assert payload["errors"], payload
        assert {type(each["message"]) for each in payload["errors"]} <= {str}
        assert not any(value for name, value in payload.items() if name != "errors"), payload
        return [(each["field"], each["code"]) for each in payload["errors"]]


def verdict(response: HttpResponse) -> Any:
    """Return the code of an answer's one error and the status that stands beside it."""
    [error] = response.json()["errors"]
    return error["extensions"]["code"], error["extensions"].get("status")


def failures(response: HttpResponse) -> list[tuple[str, str]]:
    """Return (field, code) of what an answer's one error says was wrong with its arguments."""
    [error] = response.json()["errors"]
    return [(each["field"], each["code"]) for each in error["extensions"]["errors"]]
