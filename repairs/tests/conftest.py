"""A client's database: a real MariaDB, and a file of SQLite's for what any database shows."""

import pytest
from django.core.cache import cache

from repairs.services import mirroring

from . import mongo as mongo_servers
from .factories import SourceFactory
from .mariadb import MISSING, MariaDB, MariaDBTable, SQLiteTable


@pytest.fixture(scope="session")
def mariadb():
    """A server of this test run's own; conftest.py at the top lets CI fail where it is missing."""
    if MISSING:
        pytest.skip(MISSING)
    server = MariaDB()
    try:
        server.start()
        yield server
    finally:
        server.close()


def lead_to(settings, table):
    """Let the settings name this table's database, and give its source a row: `table.source`.

    `table.settings` is that entry of REPAIR_SOURCES; `table.env` says the same to a process.
    """
    table.settings = {
        "url": table.url,
        "table": "Jobs",
        "columns": {},
        "statuses": {},
        "write_back": True,
    }
    table.env = {"REPAIR_SOURCES": "workshop", "REPAIRS_WORKSHOP_URL": table.url}
    settings.REPAIR_SOURCES = {"workshop": table.settings}
    table.source = SourceFactory.create()
    return table


@pytest.fixture
def client_table(mariadb, settings, db):
    """The contract's table in a MariaDB, as source `workshop`."""
    table = MariaDBTable(mariadb)
    try:
        yield lead_to(settings, table)
    finally:
        table.close()


@pytest.fixture
def sqlite_table(tmp_path, settings, db):
    """The contract's table in a file, as source `workshop`."""
    return lead_to(settings, SQLiteTable(tmp_path / "workshop.sqlite3"))


@pytest.fixture(scope="session")
def nx_server():
    """An nx-27017 of this test run's own, for those that do it no harm."""
    server = mongo_servers.NxMongo()
    yield server
    server.close()


# The real one only where it is: nothing is skipped that nobody could run.
@pytest.fixture(params=["nx", "real"] if mongo_servers.URI else ["nx"])
def mongo(request, settings, db):
    """A collection without documents, to which MONGO_URL leads."""
    if request.param == "nx":
        server = request.getfixturevalue("nx_server")
        with server.client() as client:
            client.get_default_database()["repairs"].drop()
    else:
        server = mongo_servers.RealMongo()
    settings.MONGO_URL = server.url
    cache.clear()
    yield server
    cache.clear()
    if request.param == "real":
        server.close()


@pytest.fixture
def own(settings, db):
    """A server that a test may kill."""
    server = mongo_servers.NxMongo()
    settings.MONGO_URL = server.url
    cache.clear()
    yield server
    cache.clear()
    server.close()


@pytest.fixture
def soon(monkeypatch):
    """Not as patient as usual."""
    monkeypatch.setattr(mirroring, "FINDING_SECONDS", 1)
    monkeypatch.setattr(mirroring, "WRITING_SECONDS", 1)
