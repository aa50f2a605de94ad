"""Documents as they are answered and exported."""

import json

from .text import RawJson


def extended(document: str, *, source_id: str = "", customer: str = "", order: str = "") -> RawJson:
    """Return a stored document, with Duka's own members behind its own where there are some."""
    own = {"sourceId": source_id, "customer": customer, "order": order}
    more = "".join(
        f",{json.dumps(name)}:{json.dumps(value, ensure_ascii=False)}"
        for name, value in own.items()
        if value
    )
    if not more:
        return RawJson(document)
    # Right behind its last member, so that it is what it was once they are taken out again. It is
    # never empty: it has its `_id`.
    end = len(document[: document.rindex("}")].rstrip(" \t\n\r"))
    return RawJson(document[:end] + more + document[end:])


def extended_client(*, ident: str, name: str, nick_name: str) -> RawJson:
    return _row({"_id": {"$oid": ident}, "name": name, "nickName": nick_name})


def extended_engagement(*, ident: str, client_id: str, name: str) -> RawJson:
    return _row({"_id": {"$oid": ident}, "clientId": {"$oid": client_id}, "name": name})


def _row(members: dict[str, object]) -> RawJson:
    return RawJson(json.dumps(members, ensure_ascii=False, separators=(",", ":")))
