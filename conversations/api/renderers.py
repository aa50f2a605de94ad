"""JSON that holds documents as they were written."""

import secrets
from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import JSONRenderer

from conversations.documents import RawJson


class DocumentRenderer(JSONRenderer):
    """JSON in which each `RawJson` stands as it is, never parsed and rendered anew."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        texts: list[str] = []
        # Of this answer alone: nobody who writes a document can know it.
        place = secrets.token_hex(16)
        marked = _marked(data, place, texts)
        answer = super().render(marked, accepted_media_type, renderer_context)
        pieces = answer.split(f'"{place}"'.encode())
        for index, text in enumerate(texts):
            pieces[index] += text.encode()
        return b"".join(pieces)


def rendered(data: object) -> bytes:
    """Return what a GET answers, for its ETag."""
    return DocumentRenderer().render(data)


def _marked(data: Any, place: str, texts: list[str]) -> Any:
    """Return the data with the mark where each text belongs, the texts in the order of these."""
    if isinstance(data, RawJson):
        texts.append(data)
        return place
    if isinstance(data, Mapping):
        return {name: _marked(value, place, texts) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_marked(value, place, texts) for value in data]
    return data
