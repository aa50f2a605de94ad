"""Any variable may be in a file that another names."""

import pytest

from config.tests.conftest import PRODUCTION

SECRET = "$s3cret \\$ of the tests"


@pytest.fixture
def secret(tmp_path):
    """A file that holds SECRET, as an editor leaves it."""
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    return path


def test_what_is_in_the_file_counts_as_if_it_were_in_the_environment(settings_of, secret, tmp_path):
    database, mail = tmp_path / "database", tmp_path / "mail"
    database.write_text("postgres://duka:p%2Fw@db.example/shop\n")
    mail.write_text("smtp+tls://shop:pw@mail.example:587\n")
    given = PRODUCTION | {
        **dict.fromkeys(("SECRET_KEY", "DATABASE_URL", "EMAIL_URL"), ""),
        "SECRET_KEY_FILE": str(secret),
        "DATABASE_URL_FILE": str(database),
        "EMAIL_URL_FILE": str(mail),
        "OIDC_RP_CLIENT_SECRET": SECRET,
    }

    read = settings_of(
        *("SECRET_KEY", "DATABASES", "EMAIL_HOST_PASSWORD", "OIDC_RP_CLIENT_SECRET"), **given
    )

    assert read["SECRET_KEY"] == read["OIDC_RP_CLIENT_SECRET"] == SECRET
    assert read["DATABASES"]["default"]["PASSWORD"] == "p/w"
    assert read["EMAIL_HOST_PASSWORD"] == "pw"


def test_access_to_the_bucket_may_be_in_files_too(settings_of, secret):
    given = {
        "DJANGO_SETTINGS_MODULE": "config.settings.development",
        "MEDIA_STORAGE": "s3://pictures",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY_FILE": str(secret),
    }

    read = settings_of("STORAGES", "MEDIA_SOURCE", **given)

    options = read["STORAGES"]["default"]["OPTIONS"]
    assert (options["access_key"], options["secret_key"]) == ("AKIA", SECRET)
    assert "security_token" not in options
    assert read["MEDIA_SOURCE"] == "https://s3.us-east-1.amazonaws.com/pictures/"


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("EMAIL_URL", "smtp+tls://shop:s3cret/word@mail.example:587"),
        ("CACHE_URL", "redis://:s3cret/word@cache.example:6379/0"),
        ("CACHE_URL", "redis://a.example:6379,b.example:s3cret/0"),
        ("CELERY_BROKER_URL", "amqp://shop:s3cret/word@broker.example:5672/shop"),
        ("DATABASE_URL", "postgres://shop:s3cret/word@db.example:5432/shop"),
    ],
)
def test_a_password_that_breaks_its_url_is_not_told(run, name, url):
    ended = run("manage.py", "check", **{name: url})

    assert ended.returncode == 1
    assert ended.stderr == (
        f"{name} cannot be read: a / in the password is written %2F, an @ is %40.\n"
    )


def test_several_servers_may_hold_the_cache(settings_of):
    given = {"DJANGO_SETTINGS_MODULE": "config.settings.development"}
    url = "redis://:pw@a.example:6379,:pw@b.example:6379/1"

    assert settings_of("CACHES", **given, CACHE_URL=url)["CACHES"]["default"]["LOCATION"] == [
        "redis://:pw@a.example:6379/1",
        "redis://:pw@b.example:6379/1",
    ]


def test_given_twice_it_is_refused(run, secret):
    ended = run("manage.py", "check", METRICS_TOKEN="t" * 16, METRICS_TOKEN_FILE=str(secret))

    assert ended.returncode == 1
    assert ended.stderr == "METRICS_TOKEN and METRICS_TOKEN_FILE are both set: leave one out.\n"


def test_a_file_that_cannot_be_read_is_named(run, tmp_path):
    ended = run("manage.py", "check", SHOP_NAME_FILE=str(tmp_path / "none"))

    assert ended.returncode == 1
    assert ended.stderr == (
        f"SHOP_NAME_FILE cannot be read: {tmp_path / 'none'}: No such file or directory.\n"
    )


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("SHOP_NAME", b"\xff\xfe s3cret", "SHOP_NAME_FILE cannot be read: {}: not UTF-8.\n"),
        ("CART_DAYS", b"s3cret", "CART_DAYS cannot be read: what is in {}.\n"),
        ("CART_DAYS", b"0", "CART_DAYS must be more than 0, not what is in {}.\n"),
        ("SHOP_CURRENCY", b"s3cret", "SHOP_CURRENCY must be three capital letters such as KES, not what is in {}.\n"),
    ],
)  # fmt: skip
def test_nothing_that_is_in_a_file_is_told(run, secret, name, content, sentence):
    secret.write_bytes(content)

    ended = run("manage.py", "check", **{f"{name}_FILE": str(secret)})

    assert (ended.returncode, ended.stderr) == (1, sentence.format(secret))
