"""Log lines for people."""

import logging


class PlainFormatter(logging.Formatter):
    """One line a message, whatever a caller put into it: a path may hold an encoded newline."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's own name
        line = super().formatMessage(record)
        return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)
