"""`.ci/smoke` and `.ci/deploy`: what a look from outside finds, and what follows from it."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from core.models import Worker
from ops import smoke

from .infrastructure import spawn_nginx
from .ports import free_port
from .processes import PROJECT, spawn
from .servers import spawn_web

FINE = "".join(
    f"{name}: ok\n"
    for name in (
        "certificate", "alive", "ready", "headers", "sign_in", "graphql", "rest", "numbers"
    )
)  # fmt: skip


def run(*command, **env):
    return subprocess.run(
        command, cwd=PROJECT, env=os.environ | env, capture_output=True, text=True, check=False
    )


def certificate(folder: Path, name: str, days: int) -> Path:
    path = folder / f"{name}.pem"
    made = run(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
        "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
        "-days", str(days), "-keyout", str(folder / f"{name}.key"), "-out", str(path),
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return path


@contextlib.contextmanager
def tls_shop(folder: Path):
    """A shop with production's settings behind an nginx that speaks TLS; give its two addresses.

    The second has a certificate that ends too soon.
    """
    long, short = certificate(folder, "long", 30), certificate(folder, "short", 3)
    good, soon = free_port(), free_port()
    env = {
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "SECRET_KEY": "of-the-smoke-test-" + "0123456789abcdef" * 4,
        "SHOP_URL": f"https://localhost:{good}",
        "BEHIND_PROXY": "true",
        "EMAIL_URL": "consolemail://",
        "IDENTITY_FILE": str(folder / "identity.json"),
        "STATIC_ROOT": str(folder / "static"),
        "WORKER_LEASE_SECONDS": "3600",
    }
    for command in ("collectstatic --no-input --verbosity=0", "prepare_identity"):
        with spawn(sys.executable, "manage.py", *command.split(), env=env) as made:
            assert made.process.wait(120) == 0, made.log()

    def listen(port, pem):
        return (
            f"}} server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {pem};"
            f" ssl_certificate_key {pem.with_suffix('.key')};"
            " location / { proxy_pass http://duka; proxy_set_header Host $http_host;"
            " proxy_set_header X-Forwarded-Proto https; }"
        )

    with (
        spawn_web(env) as (_, address),
        spawn_nginx(
            folder / "nginx",
            [address.removeprefix("http://")],
            more=listen(good, long) + listen(soon, short),
        ),
    ):
        yield f"https://localhost:{good}", f"https://localhost:{soon}"


def playbooks(folder: Path) -> Path:
    """Playbooks that a real Ansible runs, which write down that they were."""
    ansible = folder / "ansible"
    ansible.mkdir()
    for name, word in (
        ("deploy", "{{ duka_release }}"),
        ("rollback", "back to {{ duka_version }}"),
    ):
        (ansible / f"{name}.yml").write_text(f"""
- hosts: all
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.lineinfile:
        path: {folder}/did.txt
        line: "{word}"
        create: true
        mode: "0600"
    - ansible.builtin.copy:
        content: "0.1.0\\n"
        dest: "{{{{ duka_replaced_file }}}}"
        mode: "0600"
      when: duka_replaced_file is defined and "{folder}/same" is not exists
""")
    (folder / "inventory").write_text(
        f"shop ansible_connection=local ansible_python_interpreter={sys.executable}\n"
    )
    return ansible


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_a_shop_is_looked_at_from_outside_and_a_deployment_that_fails_goes_back(tmp_path):
    Worker.objects.create(pk="worker-1")
    release = tmp_path / "duka-0.2.0.tar.gz"
    release.write_bytes(b"")
    did = tmp_path / "did.txt"
    ansible = playbooks(tmp_path)

    with tls_shop(tmp_path) as (url, soon):
        ca = str(tmp_path / "long.pem")

        def deploy(wait):
            return run(
                ".ci/deploy", str(tmp_path / "inventory"), str(release), url,
                DUKA_ANSIBLE=str(ansible), SSL_CERT_FILE=ca, SMOKE_WAIT=wait,
                ANSIBLE_HOME=str(tmp_path / "home"), LC_ALL="C.UTF-8",
            )  # fmt: skip

        looked = run(".ci/smoke", url, "--ca", ca, "--wait=120")
        assert (looked.returncode, looked.stdout, looked.stderr) == (0, FINE, "")
        shop = smoke.Shop(url, ca=Path(ca))
        assert [found for _, found in smoke.look(shop, wait=120)] == [""] * len(smoke.CHECKS)
        deployed = deploy("120")
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        assert deployed.stdout.endswith(FINE)
        assert did.read_text() == f"{release}\n"

        # Signed by nobody whom this machine knows.
        stranger = dict(smoke.look(smoke.Shop(url), wait=0))
        assert "certificate verify failed" in stranger["certificate"]
        assert "certificate verify failed" in stranger["alive"]

        ends = dict(smoke.look(smoke.Shop(soon, ca=tmp_path / "short.pem"), wait=0))
        assert ends["certificate"].startswith("The certificate ends in 3 days, on ")
        assert ends["alive"] == ""
        ends = dict(smoke.look(smoke.Shop(soon, ca=tmp_path / "short.pem", days=0), wait=0))
        assert ends["certificate"] == ""

        Worker.objects.all().delete()
        did.unlink()
        failed = deploy("0")
        assert failed.returncode == 1, failed.stdout + failed.stderr
        assert did.read_text() == f"{release}\nback to 0.1.0\n"
        assert f"ready: {url}/readyz answers 503, not 200: " in failed.stdout
        assert failed.stderr == (
            "What was deployed does not answer as it must: back to the release before.\n"
            "The release before does not either.\n"
        )

        # One that was there already, which going back would not mend.
        did.unlink()
        (tmp_path / "same").touch()
        failed = deploy("0")
        assert failed.returncode == 1, failed.stdout + failed.stderr
        assert did.read_text() == f"{release}\n"
        assert failed.stderr == (
            "The shop does not answer as it must, and no release was replaced:"
            " there is nothing to go back to.\n"
        )

    gone = run(".ci/smoke", url, "--ca", ca, "--wait=0")
    assert gone.returncode == 1
    assert gone.stdout.count(": ok") == 0
    assert f"alive: {url}/healthz cannot be reached: " in gone.stdout


GOOD = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'",
    "Content-Type": "application/problem+json",
    "WWW-Authenticate": "Bearer",
}


@contextlib.contextmanager
def answering(pages: dict[str, tuple[int, dict[str, str], str]]):
    """A server that answers what a test says; `/account/` by default leads to a form."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = pages.get(self.path, (200, GOOD, "<form>"))
            if self.path == "/account/" and self.path not in pages:
                status, headers, body = 302, {"Location": "/login"}, ""
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_GET  # noqa: N815

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


SOUND = {
    "/graphql/": (200, {}, json.dumps({"data": {"__typename": "Query"}})),
    "/api/v1/orders/": (401, GOOD, ""),
    "/metrics": (404, {}, ""),
}


@pytest.mark.parametrize(
    ("path", "answer", "check", "said"),
    [
        ("/healthz", (500, {}, "oh"), "alive", "/healthz answers 500, not 200: b'oh'"),
        ("/", (200, {}, ""), "headers", "/: X-Content-Type-Options is '', without 'nosniff'."),
        ("/", (200, GOOD | {"Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'"}, ""),
         "headers", "/ lets a page run what is written into it: "),
        ("/account/", (200, {}, "<form>"), "sign_in", "/account/ is open to whoever has not"),
        ("/login", (200, {}, "no way in"), "sign_in", "/login has no form to sign in with."),
        ("/graphql/", (200, {}, '{"errors": []}'), "graphql", "/graphql/ answers b'{\"errors\": []}'"),
        ("/graphql/", (200, {}, "<html>"), "graphql", "not what it should answer: JSONDecodeError"),
        ("/api/v1/orders/", (200, GOOD, "[]"), "rest", "/api/v1/orders/ answers 200, not 401: b'[]'"),
        ("/metrics", (200, {}, "duka_orders 7"), "numbers", "/metrics answers 200 to a stranger."),
    ],
)  # fmt: skip
def test_what_is_not_as_it_must_be_is_named(path, answer, check, said, capsys):
    with answering(SOUND | {path: answer}) as url:
        assert smoke.main([url, "--wait=0"]) == 1

    lines = capsys.readouterr().out.splitlines()
    wrong = [line for line in lines if not line.endswith(": ok")]
    assert len(wrong) == 1
    assert wrong[0].startswith(f"{check}: ")
    assert said in wrong[0]


def test_a_shop_that_needs_a_moment_is_given_it(capsys):
    pages = SOUND | {"/readyz": (503, {}, "")}
    with answering(pages) as url:
        timer = threading.Timer(0.5, pages.pop, ["/readyz"])
        timer.start()

        assert smoke.main([url, "--wait=60"]) == 0

        timer.join()
    assert capsys.readouterr().out == FINE
