"""Log lines for people."""

import logging

import pytest

from core.logs import PlainFormatter


def test_what_a_caller_sends_cannot_forge_a_line_or_steer_the_terminal():
    record = logging.LogRecord(
        "x", logging.INFO, "", 0, "GET %s", ("/a\n12:00 POST /b\x1b[2J",), None
    )

    assert PlainFormatter("%(message)s").format(record) == r"GET /a\n12:00 POST /b\x1b[2J"


def test_letters_of_all_languages_stay_as_they_are():
    record = logging.LogRecord("x", logging.INFO, "", 0, "Größe × 茶", (), None)

    assert PlainFormatter("%(message)s").format(record) == "Größe × 茶"


KEY = "k3y_of-the-gateway-in-its-address"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path",
    [
        f"/webhooks/sms/africastalking/report/{KEY}/",
        f"/webhooks/sms/africastalking/report/{KEY}",
        f"/webhooks/sms/africastalking/{KEY}/",
        f"/webhooks/sms/africastalking/report/{KEY}/x",
        f"/webhook/sms/africastalking/report/{KEY}/",
        f"/webhooks/shipping/parcelpost/{KEY}/",
        f"/webhooks/shipping/parcelpost/{KEY}",
        f"/webhooks/shipping/{KEY}/",
        f"/webhooks/shipping/{KEY}",
        f"/webhooks/shipping/parcelpost/{KEY}/x",
        f"/skip/R1.20261207-{KEY}",
        f"/skip/R1.20261207-{KEY}/",
        f"/t/12-{KEY}",
        f"/t/12-{KEY}/",
        f"/T/12-{KEY}",
        f"//t/12-{KEY}",
    ],
)
@pytest.mark.parametrize("secure", [True, False], ids=["https", "http"])
def test_no_line_says_a_key_however_wrongly_it_is_asked_for(client, settings, caplog, path, secure):
    settings.SECURE_SSL_REDIRECT = True

    with caplog.at_level(logging.DEBUG):
        client.post(path, secure=secure)

    assert "…" in caplog.text
    assert KEY not in "".join(str(vars(record)) for record in caplog.records)
