"""What all tests of accounts stand on."""

import time
from types import SimpleNamespace

import pytest
from allauth.mfa.totp.internal import auth as totp


@pytest.fixture(autouse=True)
def no_period_ends(monkeypatch):
    """Let a code that is made in a test still be good when it is given, half a minute or not."""
    now = time.time()
    monkeypatch.setattr(totp, "time", SimpleNamespace(time=lambda: now))
