from importlib import util

import pytest

from config.tests.conftest import PRODUCTION, PROJECT


def read(module):
    """Return what a module of the settings says in the environment of this moment."""
    path = PROJECT / "config" / "settings" / f"{module}.py"
    spec = util.spec_from_file_location(f"config.settings.{module}_read_anew", path)
    settings = util.module_from_spec(spec)
    spec.loader.exec_module(settings)
    return vars(settings)


def test_limits_of_requests_are_off_unless_they_are_set(monkeypatch):
    monkeypatch.delenv("THROTTLE_ANON", raising=False)
    monkeypatch.setenv("THROTTLE_USER", "600/min")

    rates = read("rest")["REST_FRAMEWORK"]["DEFAULT_THROTTLE_RATES"]

    assert rates == {"anon": None, "user": "600/min", "new_carts": "300/hour"}


@pytest.mark.parametrize(("behind_proxy", "number"), [("false", 0), ("true", 1)])
def test_a_forwarded_address_counts_only_behind_a_proxy(monkeypatch, behind_proxy, number):
    monkeypatch.setenv("BEHIND_PROXY", behind_proxy)

    assert read("rest")["REST_FRAMEWORK"]["NUM_PROXIES"] == number


def test_production_limits_requests_unless_it_is_told_not_to(settings_of):
    usual = settings_of("REST_FRAMEWORK", **PRODUCTION)["REST_FRAMEWORK"]
    told = settings_of("REST_FRAMEWORK", **PRODUCTION, THROTTLE_USER="off", THROTTLE_ANON="9/m")

    assert usual["DEFAULT_THROTTLE_RATES"] == {
        "anon": "50/s",
        "user": "100/s",
        "new_carts": "300/hour",
    }
    assert told["REST_FRAMEWORK"]["DEFAULT_THROTTLE_RATES"] == {
        "anon": "9/m",
        "user": None,
        "new_carts": "300/hour",
    }


def test_a_redis_that_hangs_counts_as_away(settings_of):
    given = {"DJANGO_SETTINGS_MODULE": "config.settings.development"}
    url = "redis://cache.example:6379/1?socket_timeout=5"

    read = settings_of("CACHES", **given, CACHE_URL=url)["CACHES"]

    assert read["default"]["OPTIONS"] == {
        "serializer": "core.signed_cache.SignedSerializer",
        "socket_connect_timeout": 2,
        "socket_timeout": 5,
    }
    assert read["process"]["BACKEND"] == "django.core.cache.backends.locmem.LocMemCache"
