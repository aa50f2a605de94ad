"""What is said of clients' databases when Duka starts."""

import pytest
from django.core import checks

from repairs.checks import sources_can_be_asked

GOOD = "mysql+pymysql://duka:secret@host:3306/shop"


@pytest.fixture
def found(settings):
    """`found(url, **more)`: what is said of a source with this address."""

    def found(url=GOOD, **more):
        entry = {"url": url, "table": "Jobs", "columns": {}, "statuses": {}, "write_back": True}
        settings.REPAIR_SOURCES = {"workshop": {**entry, **more}}
        return [(each.id, each.msg) for each in sources_can_be_asked(None)]

    return found


@pytest.mark.parametrize(
    "url",
    [
        GOOD,
        "mysql+pymysql://duka:p%40ss@host/shop?ssl_ca=ca.pem",
        "mariadb+pymysql://duka:secret@host/shop",
        "sqlite:////tmp/shop.sqlite3",
        "postgresql://duka:secret@host/shop",
        "mysql://duka:secret@host/shop",
    ],
)
def test_an_address_that_can_be_asked_is_fine(found, url):
    assert found(url) == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql+pymysql://duka:secret@host:port/shop", "cannot be understood"),
        ("mysql+pymysql://duka:secret@1/2@host/shop", "is written as %40 or %2F"),
        ("gopher://duka:secret@host/shop", "nobody knows: gopher."),
        ("mssql+pyodbc://duka:secret@host/shop", "is not installed here (pyodbc)."),
    ],
)
def test_an_address_that_cannot_be_asked_is_an_error_that_does_not_repeat_it(found, url, said):
    [(code, message)] = found(url)
    assert code == "repairs.W001"
    assert message.startswith("REPAIRS_WORKSHOP_URL: ")
    assert said in message
    assert "secret" not in message


def test_an_address_without_a_database_is_an_error(found):
    assert found("mysql+pymysql://duka:secret@host/") == [
        ("repairs.W002", "REPAIRS_WORKSHOP_URL names no database behind its last /.")
    ]


def test_two_columns_of_one_name_are_an_error(found):
    assert found(columns={"job_id": "Job_Type"}) == [
        ("repairs.W003", "REPAIRS_WORKSHOP_COLUMNS gives two columns one name.")
    ]
    assert found(columns={"job_id": "job_type", "job_type": "job_id"}) == []


def test_the_administrators_account_is_warned_of(found):
    assert found("mysql+pymysql://root:secret@host/shop") == [
        ("repairs.W004", "REPAIRS_WORKSHOP_URL is the administrator's account.")
    ]


def test_no_source_at_all_is_fine(settings):
    settings.REPAIR_SOURCES = {}
    assert sources_can_be_asked(None) == []


def test_django_asks_at_its_start():
    assert sources_can_be_asked in checks.registry.registry.get_checks()
