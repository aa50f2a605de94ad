"""Outside OpenID providers, a shop that signs in by one, and whoever visits both."""

import contextlib
import fcntl
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

import pytest
import requests

from accounts.tests.browser import CHALLENGE, MOST_REDIRECTS, VERIFIER, Browser, Page

from .processes import Managed, spawn, wait_until

NODE_PROVIDER = Path(__file__).with_name("node_provider")
NODE_AT_LEAST = 20
SECRET = "a secret of the tests"
# Where the node provider sends people back to who sign in for its other client.
ELSEWHERE = "http://127.0.0.1:9/callback"


def free_address() -> str:
    """Return an address of loopback on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def installed(folder: Path) -> Path:
    """Return a folder with its npm packages in it as its lock file has them, or skip."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    version = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True)
    if int(version.stdout.lstrip("v").split(".")[0]) < NODE_AT_LEAST:
        pytest.skip(f"Node.js {NODE_AT_LEAST} is needed, not {version.stdout.strip()}")
    lock, done = (
        folder / name for name in ("package-lock.json", "node_modules/.package-lock.json")
    )
    # Of several test processes one installs, and the others wait for it.
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not done.exists() or done.stat().st_mtime < lock.stat().st_mtime:
            subprocess.run(["npm", "ci", "--silent"], cwd=folder, check=True, timeout=300)
    return folder


@dataclass
class NodeProvider:
    """npm's oidc-provider, with the clients `shop`, `elsewhere`, `till` and `scale`."""

    issuer: str
    shop: str

    @property
    def audience(self) -> str:
        return f"{self.shop}/api"

    def control(self, **changes: Any) -> None:
        """Change what it does: see server.mjs."""
        self._call("POST", "/_control", json=changes)

    def logout_tokens(self) -> list[str]:
        """Return those that it has sent to the shop."""
        return list(self._call("GET", "/_control")["logout_tokens"])

    def machine_token(self, client: str = "till", *, resource: str = "") -> str:
        """Return a client's own access token for the shop's API, or for another's."""
        form = {
            "grant_type": "client_credentials",
            "resource": resource or self.audience,
            "scope": "api",
        }
        return str(self._token(client, form)["access_token"])

    def person_tokens(self, visitor: "Visitor", name: str, *, resource: str = "") -> dict[str, Any]:
        """Return the tokens that `elsewhere` gets when somebody signs in there."""
        query = {
            "response_type": "code",
            "client_id": "elsewhere",
            "redirect_uri": ELSEWHERE,
            "scope": "openid email" + (" api" if resource else ""),
            "nonce": "n",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **({"resource": resource} if resource else {}),
        }
        visitor.stops_at = ELSEWHERE
        visitor.open(f"{self.issuer}/auth?{urlencode(query)}")
        if visitor.page.status:
            visitor.submit(login=name, password="any")
        form = {
            "grant_type": "authorization_code",
            "code": visitor.page.query["code"],
            "redirect_uri": ELSEWHERE,
            "code_verifier": VERIFIER,
        }
        return self._token("elsewhere", form)

    def _token(self, client: str, form: dict[str, str]) -> dict[str, Any]:
        return self._call("POST", "/token", data=form, auth=(client, SECRET))

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(method, f"{self.issuer}{path}", timeout=30, **arguments)
            assert answer.ok, answer.text
            return dict(answer.json())


@contextlib.contextmanager
def spawn_node_provider(shop: str) -> Iterator[NodeProvider]:
    env = {"SHOP_URL": shop, "SHOP_CLIENT_SECRET": SECRET}
    with spawn("node", str(installed(NODE_PROVIDER) / "server.mjs"), env=env) as process:
        wait_until(lambda: _issuer(process) or process.process.poll() is not None)
        assert _issuer(process), process.log()
        yield NodeProvider(_issuer(process), shop)


def _issuer(process: Managed) -> str:
    # Its warnings stand in the log too.
    return next((line for line in process.log().splitlines() if line.startswith("http://")), "")


@contextlib.contextmanager
def spawn_shop(address: str, issuer: str, **env: str) -> Iterator[Managed]:
    """Run the web server at an address, with an outside provider."""
    command = "-m gunicorn config.wsgi:application --threads 4 --no-control-socket --bind"
    outside = {
        "SHOP_URL": address,
        "OIDC_ISSUER": issuer,
        "OIDC_RP_CLIENT_ID": "shop",
        "OIDC_RP_CLIENT_SECRET": SECRET,
        "OIDC_ROLES_CLAIM": "realm_access.roles",
        "OIDC_KEYS_COOLDOWN_SECONDS": "0",
    }
    bind = address.removeprefix("http://")
    with spawn(sys.executable, *command.split(), bind, env=outside | env) as process:
        wait_until(lambda: "Listening at" in process.log() or process.process.poll() is not None)
        assert process.process.poll() is None, process.log()
        try:
            yield process
        finally:
            # Asked, not killed, or its own workers would outlive it for a moment.
            process.stop()


class Visitor(Browser):
    """Somebody whose browser goes wherever it is sent, up to `stops_at`."""

    def __init__(self, shop: str) -> None:
        super().__init__(http=shop)
        self.stops_at = ""

    def sign_in_as(self, name: str, *, following: str = "/account/") -> Page:
        """Sign in at the node provider, as whoever has no session there yet."""
        self.open(f"/oidc/authenticate/?next={following}")
        return self.submit(login=name, password="any")

    def _go(self, method: str, url: str, values: Any = None) -> Page:
        for _ in range(MOST_REDIRECTS):
            self.visited.append(url)
            if self.stops_at and url.startswith(self.stops_at):
                self.page = Page(url=url, status=0, headers={}, text="")
                return self.page
            self.page = self._send(method, url, values, {})
            if self.page.status not in (301, 302, 303, 307):
                return self.page
            url, method, values = urljoin(url, self.page.headers["Location"]), "GET", None
        raise AssertionError(f"Redirected for ever: {self.visited}")


def statuses(shop: str, token: str) -> tuple[int, int]:
    """Return what REST and GraphQL answer to a bearer token."""
    headers = {"Authorization": f"Bearer {token}"}
    query = {"query": "{me{name}}"}
    with requests.Session() as session:
        session.trust_env = False
        rest = session.get(f"{shop}/api/v1/me/", headers=headers, timeout=30)
        graphql = session.post(f"{shop}/graphql/", json=query, headers=headers, timeout=30)
    return rest.status_code, graphql.status_code
