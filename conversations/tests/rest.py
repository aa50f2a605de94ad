"""What tests of both dialects say again and again."""

from typing import Any

from django.http import HttpResponse

from accounts.models import User
from accounts.tests.factories import StaffFactory, browser_of
from conversations.tests.factories import ClientFactory, EngagementFactory

CLIENT, ENGAGEMENT = "5f18d12f42262eec0d435580", "5f18d12f42262eec0d435583"
IDENT = "5f18d12f42262eec0d43567d"
UNKNOWN = "0" * 24
# The contract's own, 275 bytes without the line break at the file's end.
SAMPLE = (
    b'{"_id":{"$oid":"5f18d12f42262eec0d43567d"},"engagementId":{"$oid":"5f18d12f42262eec0d435583"}'
    b',"interactionDate":{"$date":1589630400000},"agentName":"John Ford","sentiment":"Negative",'
    b'"custom":{"csvName":"2020_16_05_report.csv","agentFirstName":"John","agentLastName":"Ford"}}'
)


class Caller:
    """Somebody's program: `caller.post("/clients", b"…", if_match="…")`."""

    def __init__(self, user: User | None) -> None:
        self.client = browser_of(user, raise_request_exception=False)

    def __call__(
        self,
        method: str,
        path: str,
        body: bytes | str = b"",
        *,
        content_type: str = "application/json",
        **headers: str,
    ) -> HttpResponse:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.generic(method, path, body, content_type=content_type, headers=names)

    def get(self, path: str, **options: Any) -> HttpResponse:
        return self("GET", path, **options)

    def post(self, path: str, body: bytes | str = b"", **options: Any) -> HttpResponse:
        return self("POST", path, body, **options)

    def put(self, path: str, body: bytes | str = b"", **options: Any) -> HttpResponse:
        return self("PUT", path, body, **options)

    def patch(self, path: str, body: bytes | str = b"", **options: Any) -> HttpResponse:
        return self("PATCH", path, body, **options)

    def delete(self, path: str, **options: Any) -> HttpResponse:
        return self("DELETE", path, **options)


def handler() -> Caller:
    """Return somebody who may write conversations, and nothing else."""
    return Caller(StaffFactory.create(permissions=["conversations.handle_interaction"]))


def engagement_of_the_sample():
    acme = ClientFactory.create(id=CLIENT, name="Acme Ltd", nick_name="acme")
    return EngagementFactory.create(id=ENGAGEMENT, client=acme, name="Chat")
