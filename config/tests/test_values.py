"""A setting that cannot be right is refused when Duka starts, by its name."""

import ast

import pytest


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("CELERY_BROKER_URL", "http://user:secret@host", "must be an address that starts with redis://, rediss://, amqp:// or amqps://."),
        ("EMAIL_URL", "change-me", "must be an address such as smtp+tls://user:password@host:587."),
        ("CACHE_URL", "change-me", "must be an address such as redis://host:6379/0, or empty."),
        ("TASKS_BACKEND", "celery", "must be core.task_backends.DatabaseBackend or core.celery.CeleryBackend, not 'celery'."),
        ("BEHIND_PROXY", "maybe", "must be true or false."),
        ("SHOP_CURRENCY", "SHILLING", "must be three capital letters such as KES, not 'SHILLING'."),
        ("SHOP_REGION", "XX", "must be two capital letters of a country such as KE, not 'XX'."),
        ("SHOP_TIME_ZONE", "Mars/Base", "must be a time zone such as Africa/Nairobi, not 'Mars/Base'."),
        ("SMS_TRANSPORT", "pigeon", "must be one of africastalking, console, vonage, not 'pigeon'."),
        ("SMS_TRANSPORT", "base", "must be one of africastalking, console, vonage, not 'base'."),
        ("SMS_TRANSPORT", "africastalking", "=africastalking needs AFRICASTALKING_API_KEY."),
        ("SMS_ROUTES", "+254=pigeon", "must be rules such as +254=africastalking,vonage of africastalking, console, vonage, not '+254=pigeon'."),
        ("SMS_ROUTES", "*=console; 254=vonage", "must be rules such as +254=africastalking,vonage of africastalking, console, vonage, not '254=vonage'."),
        ("SMS_RATES", "pigeon=1", "must be messages a second such as africastalking=30, not 'pigeon=1'."),
        ("SMS_RATES", "vonage=0", "must be messages a second such as africastalking=30, not 'vonage=0'."),
        ("SMS_TRANSPORT", "vonage", "=vonage needs VONAGE_SENDER."),
        ("AFRICASTALKING_URL", "sms.example.com", "must be an address such as https://sms.example.com, not 'sms.example.com'."),
        ("VONAGE_API_HOST", "https://api.example", "must be a host such as api.nexmo.com, not 'https://api.example'."),
        ("AFRICASTALKING_CALLBACK_KEY", "short", "must be 20 to 128 letters, digits, - and _."),
        ("STATUS_LINK_DAYS", "0", "must be 1 to 3650, not 0."),
        ("STATUS_LINK_DAYS", "3651", "must be 1 to 3650, not 3651."),
        ("SMS_CALLBACK_DAYS", "0", "must be 1 to 3650, not 0."),
        ("SHIPPING_NEWS_DAYS", "0", "must be 1 to 3650, not 0."),
        ("MESSAGE_LEASE_SECONDS", "0", "must be more than 0, not 0.0."),
        ("SHIPMENT_LEASE_SECONDS", "39", "must be 40 or more, as a carrier may take 33, not 39.0."),
        ("WORKER_LEASE_SECONDS", "0", "must be 1 or more, not 0.0."),
        ("WORKER_POLL_SECONDS", "soon", "cannot be read: 'soon'."),
        ("THROTTLE_ANON", "often", "must be a number a second, minute, hour or day such as 600/min, or off, not 'often'."),
        ("THROTTLE_USER", "5/fortnight", "must be a number a second, minute, hour or day such as 600/min, or off, not '5/fortnight'."),
        ("THROTTLE_NEW_CARTS", "none", "must be a number a second, minute, hour or day such as 600/min, or off, not 'none'."),
        ("CART_DAYS", "0", "must be more than 0, not 0."),
        ("STRANGER_CART_DAYS", "week", "cannot be read: 'week'."),
        ("SHOP_URL", "https://shop.example/", "must be an address such as https://shop.example, without a / at its end, not 'https://shop.example/'."),
        ("SHOP_URL", "shop.example", "must be an address such as https://shop.example, without a / at its end, not 'shop.example'."),
        ("OIDC_TIMEOUT", "soon", "cannot be read: 'soon'."),
        ("INVITATION_DAYS", "0", "must be more than 0, not 0."),
        ("MEDIA_STORAGE", "bucket", "must be empty, or a bucket such as s3://bucket/prefix, not 'bucket'."),
        ("MEDIA_STORAGE", "s3://b/a b", "must be empty, or a bucket such as s3://bucket/prefix, not 's3://b/a b'."),
        ("MEDIA_URL", "cdn.example", "must be an address such as https://files.example, not 'cdn.example'."),
        ("S3_ENDPOINT_URL", "minio:9000", "must be an address such as https://files.example, not 'minio:9000'."),
        ("GRAPHQL_MAX_BYTES", "1MB", "cannot be read: '1MB'."),
        ("GRAPHQL_MAX_TOKENS", "0", "must be more than 0, not 0."),
        ("GRAPHQL_MAX_DEPTH", "0", "must be more than 0, not 0."),
        ("GRAPHQL_MAX_ALIASES", "-1", "must be more than 0, not -1."),
        ("GRAPHQL_MAX_COST", "0", "must be more than 0, not 0."),
        ("GRAPHQL_MAX_BATCH", "0", "must be more than 0, not 0."),
        ("GRAPHQL_MAX_PAGE_SIZE", "0", "must be more than 0, not 0."),
        ("GRAPHQL_ALLOW_LIST", "nowhere.json", "must be a JSON file of documents by their SHA-256, not 'nowhere.json'."),
        ("BOOKING_OPEN_LIMIT", "0", "must be 1 to 1000, not 0."),
        ("BOOKING_OPEN_LIMIT", "1001", "must be 1 to 1000, not 1001."),
        ("STANDING_ORDERS_OPEN_LIMIT", "0", "must be 1 to 1000, not 0."),
        ("BOOKING_DAYS_AHEAD", "0", "must be 1 to 3650, not 0."),
        ("LOG_LEVEL", "debug", "must be DEBUG, INFO, WARNING, ERROR or CRITICAL, not 'debug'."),
        ("LOG_FORMAT", "xml", "must be json or plain, not 'xml'."),
    ],
)  # fmt: skip
def test_a_wrong_value_is_a_sentence_that_names_it(run, name, value, sentence):
    ended = run("manage.py", "check", **{name: value})

    assert ended.returncode == 1
    assert ended.stderr in {f"{name} {sentence}\n", f"{name}{sentence}\n"}


ACCOUNT = "VONAGE_API_KEY and VONAGE_API_SECRET, or VONAGE_APPLICATION_ID and VONAGE_PRIVATE_KEY."
SECRET = "s3cret-of-the-tests"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"SMS_ROUTES": "*=console,africastalking"}, "africastalking in SMS_ROUTES needs AFRICASTALKING_API_KEY."),
        ({"SMS_ROUTES": "+44=vonage"}, "vonage in SMS_ROUTES needs VONAGE_SENDER."),
        ({"SMS_ROUTES": "+44=vonage", "VONAGE_SENDER": "DUKA", "VONAGE_API_SECRET": SECRET}, f"vonage in SMS_ROUTES needs {ACCOUNT}"),
        ({"SMS_TRANSPORT": "vonage", "VONAGE_SENDER": "DUKA", "VONAGE_PRIVATE_KEY": SECRET}, f"SMS_TRANSPORT=vonage needs {ACCOUNT}"),
        ({"SMS_TRANSPORT": "africastalking", "AFRICASTALKING_API_KEY": SECRET, "SMS_ROUTES": "*=vonage"}, "vonage in SMS_ROUTES needs VONAGE_SENDER."),
        ({"AFRICASTALKING_CALLBACK_KEY": f"{SECRET} {SECRET}"}, "AFRICASTALKING_CALLBACK_KEY must be 20 to 128 letters, digits, - and _."),
        ({"METRICS_TOKEN": "s3cret s3cret s3cret"}, "METRICS_TOKEN must be 16 to 256 letters, digits and - . _ ~ + / =, or empty."),
    ],
)  # fmt: skip
def test_a_gateway_that_lacks_a_setting_is_a_sentence_without_its_secrets(run, given, sentence):
    ended = run("manage.py", "check", **given)

    assert (ended.returncode, ended.stderr) == (1, f"{sentence}\n")


@pytest.mark.parametrize(
    "given",
    [
        {"VONAGE_API_KEY": "abcd1234", "VONAGE_API_SECRET": SECRET},
        {"VONAGE_APPLICATION_ID": "aaaaaaaa-bbbb", "VONAGE_PRIVATE_KEY": "/srv/duka/vonage.pem"},
    ],
)
def test_both_ways_to_be_known_to_vonage_are_enough(run, given):
    ended = run("manage.py", "check", SMS_TRANSPORT="vonage", VONAGE_SENDER="DUKA", **given)

    assert (ended.returncode, ended.stderr) == (0, "")


VONAGE = {"VONAGE_SENDER": "DUKA", "VONAGE_API_KEY": "abcd1234", "VONAGE_API_SECRET": SECRET}
OTHER = {"SMS_TRANSPORT": "africastalking", "AFRICASTALKING_API_KEY": SECRET}
BY_VONAGE = ["repair.*", ["vonage"]]
TO_ALL = ["*", ["africastalking"]]


@pytest.mark.parametrize(
    ("given", "routes", "gateways"),
    [
        ({**OTHER, **VONAGE}, [BY_VONAGE], {"africastalking", "vonage"}),
        ({**OTHER, **VONAGE, "SMS_ROUTES": "*=africastalking"}, [BY_VONAGE, TO_ALL], {"africastalking", "vonage"}),
        ({**VONAGE, "SMS_TRANSPORT": "vonage"}, [BY_VONAGE], {"vonage"}),
        ({**OTHER, "VONAGE_SENDER": "DUKA", "VONAGE_APPLICATION_ID": "a", "VONAGE_PRIVATE_KEY": "/k.pem"}, [BY_VONAGE], {"africastalking", "vonage"}),
        ({**OTHER, **VONAGE, "SMS_ROUTES": "repair.*=africastalking"}, [["repair.*", ["africastalking"]]], {"africastalking"}),
        ({**OTHER, **VONAGE, "SMS_ROUTES": "repair.closed=console"}, [["repair.closed", ["console"]]], {"africastalking", "console"}),
        ({**OTHER, **VONAGE, "VONAGE_SENDER": ""}, [], {"africastalking"}),
        ({**OTHER, **VONAGE, "VONAGE_API_SECRET": ""}, [], {"africastalking"}),
        (OTHER, [], {"africastalking"}),
        (VONAGE, [], {"console"}),
    ],
)  # fmt: skip
def test_repairs_go_by_vonage_where_it_is_set_up_and_no_rule_names_them(
    settings_of, given, routes, gateways
):
    development = {"DJANGO_SETTINGS_MODULE": "config.settings.development"}
    found = settings_of("SMS_ROUTES", "SMS_GATEWAYS", **development, **given)

    assert found["SMS_ROUTES"] == routes
    # Those that may call us; JSON knows no sets.
    assert ast.literal_eval(found["SMS_GATEWAYS"]) == gateways


def test_a_folder_that_cannot_be_written_in_is_a_sentence(run, tmp_path):
    (tmp_path / "file").touch()

    ended = run("manage.py", "check", DUKA_VAR=str(tmp_path / "file"))

    assert ended.returncode == 1
    assert ended.stderr == (
        f"{tmp_path / 'file'} must be a folder that Duka may write in (DUKA_VAR): File exists.\n"
    )
