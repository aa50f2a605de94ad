"""Log lines for people."""

import logging

from core.logs import PlainFormatter


def test_what_a_caller_sends_cannot_forge_a_line_or_steer_the_terminal():
    record = logging.LogRecord(
        "x", logging.INFO, "", 0, "GET %s", ("/a\n12:00 POST /b\x1b[2J",), None
    )

    assert PlainFormatter("%(message)s").format(record) == r"GET /a\n12:00 POST /b\x1b[2J"


def test_letters_of_all_languages_stay_as_they_are():
    record = logging.LogRecord("x", logging.INFO, "", 0, "Größe × 茶", (), None)

    assert PlainFormatter("%(message)s").format(record) == "Größe × 茶"
