import pytest
from django.core.exceptions import ImproperlyConfigured

from config.settings.database import database_from_url

SOON_SURE = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30000,
}


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_a_url_names_server_user_and_database(scheme):
    database = database_from_url(
        f"{scheme}://du%40ka:p%2Fw%3A@db.example:5433/shop?sslmode=require"
    )

    assert database == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "shop",
        "USER": "du@ka",
        "PASSWORD": "p/w:",
        "HOST": "db.example",
        "PORT": 5433,
        "OPTIONS": SOON_SURE | {"sslmode": "require"},
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": False,
    }


def test_a_url_may_name_a_unix_socket():
    database = database_from_url("postgres://duka@/shop?host=/run/postgresql")

    assert (database["HOST"], database["OPTIONS"]) == (
        "",
        SOON_SURE | {"host": "/run/postgresql"},
    )


def test_how_long_a_server_may_be_silent_can_be_said_in_the_url():
    database = database_from_url("postgres://db/shop?connect_timeout=30")

    assert database["OPTIONS"] == SOON_SURE | {"connect_timeout": 30}


def test_a_pool_and_the_age_of_connections_are_told_by_the_environment(monkeypatch):
    monkeypatch.setenv("DATABASE_CONN_MAX_AGE", "0")
    monkeypatch.setenv("DATABASE_PGBOUNCER", "true")

    database = database_from_url("postgres://db/shop")

    assert (database["CONN_MAX_AGE"], database["DISABLE_SERVER_SIDE_CURSORS"]) == (0, True)


@pytest.mark.parametrize(
    "url",
    ["postgres://duka:se/cret@db/shop", "postgres://db:port/shop", "postgres://db:99999999/shop"],
)
def test_a_url_that_is_none_is_refused_without_telling_it(url):
    with pytest.raises(ImproperlyConfigured) as error:
        database_from_url(url)

    assert str(error.value) == (
        "DATABASE_URL cannot be read: a / in the password is written %2F, an @ is %40."
    )


@pytest.mark.parametrize(
    "url",
    [
        "", "//duka:secret@db/shop", "postgres:db/shop", "sqlite:///shop.db", "sqlite://:memory:", "mysql://u:p@db/shop", "oracle://db/x",
        "postgis://db/x", "redshift://db/x", "cockroach://db/x", "nothing", "db.example/shop",
        "POSTGRES", "core.embedded_postgres.backend://x",
    ],
)  # fmt: skip
def test_another_kind_of_database_is_refused(url):
    with pytest.raises(ImproperlyConfigured, match=r"^DATABASE_URL must start with postgres://"):
        database_from_url(url)
