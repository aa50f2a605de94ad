"""A browser of the tests' own: real pages, real forms, redirects followed one by one."""

import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import jwt
import requests
from allauth.idp.oidc.models import Client as IdpClient
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core import mail
from django.core.mail import EmailMessage
from django.test import Client
from django_tasks_db.models import DBTaskResult

from core.mail import deliver

# Of one sign-in; more would be a loop.
MOST_REDIRECTS = 10


@dataclass(frozen=True, kw_only=True)
class Page:
    """What one request was answered."""

    url: str
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.url).query))


class Browser:
    """Somebody at the shop's pages; with `http=`, at those of a real server there."""

    def __init__(
        self, *, host: str = "", address: str = "127.0.0.1", http: str = "", **answers: bool
    ) -> None:
        self.base = http or settings.SHOP_URL
        self.page = Page(url=self.base, status=0, headers={}, text="")
        self.visited: list[str] = []
        if http:
            self.client: Any = requests.Session()
            self.client.trust_env = False
        else:
            self.client = Client(
                enforce_csrf_checks=True,
                headers={"host": host or urlsplit(self.base).netloc},
                REMOTE_ADDR=address,
                **answers,
            )

    def open(self, path: str) -> Page:
        """Go to an address of the shop, and on to wherever it leads."""
        return self._go("GET", urljoin(self.base, path))

    def submit(self, press: str = "", **fields: Any) -> Page:
        """Fill in the form that has these fields, and send it by that button (name or value)."""
        action, values = _form(self.page, press, fields)
        return self._go("POST", urljoin(self.page.url, action), values | fields)

    def sign_in(self, email: str, password: str, *, following: str = "/account/") -> Page:
        self.open(f"/oidc/authenticate/?next={following}")
        return self.submit(login=email, password=password)

    def post(self, path: str, values: Any = None, **headers: str) -> Page:
        """Send a form that no page has, as another site would."""
        return self._send("POST", path, values, headers)

    def get(self, path: str, **headers: str) -> Page:
        """Ask for one address and stay there."""
        return self._send("GET", path, None, headers)

    @property
    def csrf(self) -> str:
        cookies = self.client.cookies
        found = cookies.get("csrftoken", "")
        return found if isinstance(found, str) else found.value

    def _go(self, method: str, url: str, values: Any = None) -> Page:
        for _ in range(MOST_REDIRECTS):
            if not url.startswith(f"{self.base}/"):
                # Another site's: where it would have gone is what counts.
                self.page = Page(url=url, status=0, headers={}, text="")
                return self.page
            self.visited.append(url)
            self.page = self._send(method, url, values, {})
            if self.page.status not in (301, 302, 303, 307):
                return self.page
            url, method, values = urljoin(url, self.page.headers["Location"]), "GET", None
        raise AssertionError(f"Redirected for ever: {self.visited}")

    def _send(self, method: str, path: str, values: Any, headers: Mapping[str, str]) -> Page:
        url = urljoin(self.base, path)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(self.client, Client):
            parts = urlsplit(url)
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            if isinstance(values, str):
                found = self.client.generic(
                    method, target, values, content_type="application/json", headers=named
                )
            else:
                send = self.client.post if method == "POST" else self.client.get
                found = (
                    send(target, values or {}, headers=named)
                    if values
                    else send(target, headers=named)
                )
            text = b"".join(found) if found.streaming else found.content
            return Page(
                url=url, status=found.status_code, headers=found.headers, text=text.decode()
            )
        answer = self.client.request(
            method, url, data=values, headers=named, allow_redirects=False, timeout=60
        )
        return Page(url=url, status=answer.status_code, headers=answer.headers, text=answer.text)


class _Forms(HTMLParser):
    """The forms of a page: where each goes, what it has in it, its buttons."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self.buttons: list[tuple[str, str, str]] = []
        self._open: dict[str, Any] | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        name, value = has.get("name", ""), has.get("value", "")
        if tag == "form":
            self._open = {"id": has.get("id", ""), "action": has.get("action", ""), "values": {}}
            self._open["names"], self._open["buttons"] = set(), []
            self.forms.append(self._open)
        elif tag == "button" and has.get("form"):
            self.buttons.append((has["form"], name, value))
        elif self._open is None:
            return
        elif tag == "button" or has.get("type") == "submit":
            self._open["buttons"].append((name, value))
        elif tag in {"input", "select", "textarea"} and name:
            self._open["names"].add(name)
            self._select = name if tag == "select" else ""
            ticked = has.get("type") not in {"checkbox", "radio"} or "checked" in has
            if tag == "input" and ticked:
                self._open["values"].setdefault(name, []).append(value)
        elif tag == "option" and "selected" in has:
            self._open["values"][self._select] = [value]

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None


def _form(page: Page, press: str, fields: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    found = _Forms()
    found.feed(page.text)
    for form, name, value in found.buttons:
        for each in found.forms:
            if each["id"] == form:
                each["buttons"].append((name, value))
    for each in found.forms:
        pressed = [(name, value) for name, value in each["buttons"] if press in (name, value)]
        if set(fields) <= each["names"] and (pressed or not press):
            sent = {name: value for name, value in pressed[:1] if press and name}
            return each["action"] or page.url, each["values"] | sent
    raise AssertionError(f"{page.url} ({page.status}) has no such form: {page.text[:3000]}")


VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


class App:
    """Another's program that is a client of the embedded provider."""

    def __init__(self, ident: str = "till", *, public: bool = False, **more: Any) -> None:
        self.id = ident
        self.secret = "" if public else f"secret of {ident}"
        self.redirect_uri = f"https://{ident}.example/callback"
        fields = {
            "name": ident.title(),
            "secret": make_password(self.secret, hasher="generated"),
            "type": IdpClient.Type.PUBLIC if public else IdpClient.Type.CONFIDENTIAL,
            "scopes": "openid\nprofile\nemail\napi",
            "default_scopes": "openid",
            "grant_types": "authorization_code\nrefresh_token",
            "response_types": "code",
            "redirect_uris": self.redirect_uri,
        }
        self.client = IdpClient.objects.create(id=ident, **fields | more)

    def authorize_path(self, **changes: Any) -> str:
        """Where it sends a browser; None takes a parameter away."""
        query = {
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": self.redirect_uri,
            "scope": "openid profile email api",
            "state": "the-state",
            "nonce": "the-nonce",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        } | changes
        query = {name: value for name, value in query.items() if value is not None}
        return f"/identity/o/authorize?{urlencode(query)}"

    def code(self, browser: Browser, **changes: Any) -> str:
        """Return the code that somebody who is signed in lets it have."""
        page = browser.open(self.authorize_path(**changes))
        if page.status == 200:
            page = browser.submit("grant")
        return page.query["code"]

    def tokens(self, browser: Browser, **changes: Any) -> dict[str, Any]:
        answer = self.exchange(self.code(browser, **changes))
        assert answer.status_code == 200, answer.content
        return dict(answer.json())

    def exchange(self, code: str, **changes: Any) -> Any:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": VERIFIER,
        }
        return self.call("token", **form | changes)

    def refresh(self, token: str, **changes: Any) -> Any:
        return self.call(
            "token", **{"grant_type": "refresh_token", "refresh_token": token, **changes}
        )

    def call(self, endpoint: str, *, address: str = "127.0.0.1", **form: Any) -> Any:
        """Call an endpoint of the provider; `client_secret` may be another than its own."""
        form = {"client_id": self.id, "client_secret": self.secret} | form
        return call(endpoint, address=address, **form)


def call(endpoint: str, *, address: str = "127.0.0.1", **form: Any) -> Any:
    form = {name: value for name, value in form.items() if value}
    caller = Client(headers={"host": urlsplit(settings.SHOP_URL).netloc}, REMOTE_ADDR=address)
    return caller.post(f"/identity/o/api/{endpoint}", form)


def post() -> list[EmailMessage]:
    """Do what the worker does with the mails that wait; return them."""
    before = len(mail.outbox)
    waiting = DBTaskResult.objects.filter(task_path="core.mail.send_mail")
    for each in waiting.order_by("enqueued_at"):
        deliver(**each.args_kwargs["kwargs"])
    waiting.delete()
    return mail.outbox[before:]


def code_in(message: EmailMessage) -> str:
    found = re.search(r"^[A-Z0-9]{4}-[A-Z0-9]{4}$", str(message.body), re.MULTILINE)
    assert found, message.body
    return found[0]


def claims_of(token: str) -> dict[str, Any]:
    """Return what a token says, unchecked."""
    return dict(jwt.decode(token, options={"verify_signature": False}))
