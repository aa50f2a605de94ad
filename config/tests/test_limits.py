from importlib import util

import pytest

from config.tests.conftest import PROJECT


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
