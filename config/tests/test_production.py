import json
import textwrap

import pytest

from config.tests.conftest import PRODUCTION
from tests.processes import test_database_url as database_url

NEEDED = {
    "SHOP_URL": "SHOP_URL (where people find the shop: https://shop.example)",
    "SECRET_KEY": "SECRET_KEY (a long random string, the same on every machine of the shop)",
    "DATABASE_URL": "DATABASE_URL (postgres://user:password@host:5432/name)",
    "EMAIL_URL": (
        "EMAIL_URL (smtp+tls://user:password@host:587; people prove their address by a code)"
    ),
    "IDENTITY_FILE": (
        "IDENTITY_FILE (where the sign-in keys are kept, the same file on every machine)"
    ),
}
OUTSIDE = {
    "OIDC_ISSUER": "https://id.example",
    "OIDC_RP_CLIENT_ID": "shop",
    "OIDC_RP_CLIENT_SECRET": "s",
}


def sentence(*names):
    return f"Set these environment variables: {'; '.join(NEEDED[name] for name in names)}.\n"


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, tuple(NEEDED)),
        ({"SECRET_KEY": "", "SHOP_URL": " ", "DATABASE_URL": "postgres://db/x"},
         ("SHOP_URL", "SECRET_KEY", "EMAIL_URL", "IDENTITY_FILE")),
        ({**PRODUCTION, "DATABASE_URL": ""}, ("DATABASE_URL",)),
        ({**PRODUCTION, "OIDC_ISSUER": PRODUCTION["SHOP_URL"], "EMAIL_URL": ""}, ("EMAIL_URL",)),
        ({**PRODUCTION, "IDENTITY_FILE": ""}, ("IDENTITY_FILE",)),
        (OUTSIDE, ("SHOP_URL", "SECRET_KEY", "DATABASE_URL")),
    ],
)  # fmt: skip
def test_it_refuses_to_start_and_names_all_that_is_missing_at_once(run, given, missing):
    production = {"DJANGO_SETTINGS_MODULE": PRODUCTION["DJANGO_SETTINGS_MODULE"]}

    ended = run("manage.py", "worker", **production | given)

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr == sentence(*missing)


def test_a_web_server_does_not_start_either(run):
    ended = run(
        "-c", "import config.wsgi", DJANGO_SETTINGS_MODULE=PRODUCTION["DJANGO_SETTINGS_MODULE"]
    )

    assert ended.returncode == 1
    assert ended.stderr.endswith("ImproperlyConfigured: " + sentence(*NEEDED))


@pytest.mark.parametrize("name", ["EMAIL_URL", "IDENTITY_FILE"])
def test_with_an_outside_provider_it_starts_without_what_its_own_needs(run, name):
    ended = run("-c", "import django; django.setup()", **PRODUCTION | OUTSIDE | {name: ""})

    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("url", ["http://shop.example", "http://192.168.1.7:8000"])
def test_it_refuses_an_address_at_which_nobody_could_sign_in(run, url):
    ended = run("manage.py", "check", **PRODUCTION | {"SHOP_URL": url})

    assert ended.returncode == 1
    assert ended.stderr == (
        "SHOP_URL must be an address that begins with https://: nobody could sign in without TLS,"
        f" not {url!r}.\n"
    )


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost", "http://[::1]:80"])
def test_on_this_machine_itself_it_can_be_tried_without_tls(settings_of, url):
    assert settings_of("SHOP_URL", **PRODUCTION | {"SHOP_URL": url}) == {"SHOP_URL": url}


@pytest.mark.django_db
def test_with_what_it_needs_it_starts_and_passes_djangos_checks_for_deployment(run):
    ended = run(
        *("manage.py", "check", "--deploy", "--fail-level", "WARNING", "--database", "default"),
        **PRODUCTION | {"DATABASE_URL": database_url()},
    )

    assert ended.stderr == ""
    assert ended.returncode == 0
    assert ended.stdout.startswith("System check identified no issues")


def test_it_is_strict_unless_told_otherwise(settings_of):
    names = (
        "DEBUG", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE", "SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", "SERVE_MEDIA",
        "SECURE_PROXY_SSL_HEADER", "INSTALLED_APPS", "SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME",
        "SESSION_COOKIE_HTTPONLY", "SESSION_COOKIE_SAMESITE", "CSRF_COOKIE_SAMESITE",
        "DATABASE_STATEMENT_SECONDS", "SECRET_KEY_FALLBACKS",
    )  # fmt: skip

    read = settings_of(*names, **PRODUCTION, DEBUG="true")

    assert "demo" not in read.pop("INSTALLED_APPS")
    assert read == {
        "DEBUG": False,
        "ALLOWED_HOSTS": ["shop.example", "www.shop.example"],
        "CSRF_TRUSTED_ORIGINS": ["https://shop.example", "https://www.shop.example"],
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SECURE_SSL_REDIRECT": True,
        "SECURE_HSTS_SECONDS": 31_536_000,
        "SERVE_MEDIA": False,
        "SECURE_PROXY_SSL_HEADER": None,
        "SESSION_COOKIE_NAME": "__Host-sessionid",
        "CSRF_COOKIE_NAME": "__Host-csrftoken",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "CSRF_COOKIE_SAMESITE": "Lax",
        "DATABASE_STATEMENT_SECONDS": 30,
        "SECRET_KEY_FALLBACKS": [],
    }


@pytest.mark.parametrize(
    ("given", "form_action", "img_src"),
    [
        ({}, ["'self'", "https://shop.example"], ["'self'", "data:"]),
        (
            {
                "OIDC_ISSUER": "http://id.example:8080/realms/x",
                "OIDC_RP_CLIENT_ID": "shop",
                "OIDC_RP_CLIENT_SECRET": "s",
                "MEDIA_URL": "https://cdn.example/shop/",
            },
            ["'self'", "https://shop.example", "https:", "http://id.example:8080"],
            ["'self'", "data:", "https://cdn.example/shop/"],
        ),
    ],
)
def test_pages_may_lead_to_an_outside_provider_and_show_pictures_that_are_elsewhere(
    settings_of, given, form_action, img_src
):
    read = settings_of("CONTENT_SECURITY_POLICY", **PRODUCTION, **given)

    directives = read["CONTENT_SECURITY_POLICY"]["DIRECTIVES"]
    assert (directives["form-action"], directives["img-src"]) == (form_action, img_src)


@pytest.mark.django_db(transaction=True)
def test_a_shop_behind_a_proxy_speaks_https_only_and_shows_its_health_to_all(run):
    program = textwrap.dedent(
        """
        import json
        from config.wsgi import application
        from django.test import Client

        def ask(path, **headers):
            answer = Client(raise_request_exception=False).get(
                path, headers={"Host": "shop.example", "Accept": "application/json", **headers}
            )
            return [answer.status_code, answer.get("Location") or answer.get("Content-Type")]

        https = {"X-Forwarded-Proto": "https"}
        answers = {
            "health": ask("/healthz"),
            "ready": ask("/readyz"),
            "http": ask("/api/v1/orders/?page_size=5"),
            "https": ask("/api/v1/orders/", **https),
            "media": ask("/media/x.png", **https),
            "host": ask("/healthz", Host="evil.example"),
        }
        print(json.dumps(answers))
        """
    )
    production = PRODUCTION | {"DATABASE_URL": database_url()}

    # As on a server: the pages name files by what is in them.
    collected = run("manage.py", "collectstatic", "--no-input", **production)
    assert collected.returncode == 0, collected.stderr
    behind_proxy = run("-c", program, **production, BEHIND_PROXY="true")
    alone = run("-c", program, **production)

    problem = "application/problem+json"
    to_https = [301, "https://shop.example/api/v1/orders/?page_size=5"]
    assert behind_proxy.returncode == 0, behind_proxy.stderr
    assert json.loads(behind_proxy.stdout) == {
        "health": [200, "application/json"],
        "ready": [503, "application/json"],
        "http": to_https,
        "https": [401, problem],
        "media": [404, problem],
        "host": [400, problem],
    }
    # A caller's own header counts for nothing where no proxy sets it.
    assert json.loads(alone.stdout)["https"] == [301, "https://shop.example/api/v1/orders/"]
