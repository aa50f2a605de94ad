"""The workshop that `make run` plays, for tests."""

import pytest

from demo.client import CLIENT_FILE, SOURCE, FakeClient


@pytest.fixture
def workshop(settings, tmp_path, monkeypatch):
    """The client's database, which the shop's settings lead to; `load_demo` brings its jobs."""
    client = FakeClient(tmp_path / "client.sqlite3")
    monkeypatch.setenv(CLIENT_FILE, str(client.file))
    settings.REPAIR_SOURCES = {
        SOURCE: {
            "url": client.url,
            "table": "Jobs",
            "columns": {},
            "statuses": {},
            "write_back": True,
        }
    }
    return client
