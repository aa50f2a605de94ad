"""JSON in, with hostile documents refused rather than crashed on."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any

from rest_framework import parsers
from rest_framework.exceptions import ParseError


class JSONParser(parsers.JSONParser):
    """JSON as programs exchange it (RFC 8259): UTF-8, real numbers, real characters."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            text = stream.read().decode()
            document = json.loads(text, parse_float=_finite, parse_constant=_refuse_constant)
            if "\\ud" in text.lower():
                # Neither the database nor an answer can hold half of a pair.
                json.dumps(document, ensure_ascii=False).encode()
        except RecursionError:
            raise ParseError("JSON parse error - nested too deeply.") from None
        except UnicodeDecodeError:
            raise ParseError("JSON parse error - not UTF-8.") from None
        except UnicodeEncodeError:
            raise ParseError("JSON parse error - half of a surrogate pair.") from None
        except json.JSONDecodeError as error:
            raise ParseError(f"JSON parse error - {error}.") from None
        except ValueError:
            # Among others an integer of more digits than Python reads.
            raise ParseError("JSON parse error - a number is out of range.") from None
        return document


def _finite(text: str) -> float:
    """Return the number; one such as 1e400 would otherwise become infinite."""
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number


def _refuse_constant(text: str) -> float:
    raise ValueError(text)
