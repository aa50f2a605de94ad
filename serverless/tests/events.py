"""Events as AWS sends them, of the form that `sam local generate-event` writes."""

import base64
import copy
import json
from pathlib import Path
from urllib.parse import quote

FOLDER = Path(__file__).with_name("events")
_HTTP = json.loads((FOLDER / "http_api.json").read_text())
SCHEDULED = json.loads((FOLDER / "scheduled.json").read_text())


def request(
    method, path, body=None, *, query="", headers=None, cookies=(), stage="$default", ip="192.0.2.7"
):
    """`sam local generate-event apigateway http-api-proxy`, of a request to the shop."""
    event = copy.deepcopy(_HTTP)
    event["rawPath"] = quote(path)
    event["rawQueryString"] = query
    event["cookies"] = list(cookies)
    event["headers"] = {
        "host": "127.0.0.1",
        "x-forwarded-for": f"203.0.113.66, {ip}",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
        **(headers or {}),
    }
    if isinstance(body, bytes):
        event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    elif body is not None:
        event["headers"].setdefault("content-type", "application/json")
        event["body"] = json.dumps(body)
    event["requestContext"]["stage"] = stage
    event["requestContext"]["http"] |= {"method": method, "path": path, "sourceIp": ip}
    return event


def body_of(answer):
    """What the caller of the HTTP API gets."""
    body = answer["body"]
    return base64.b64decode(body) if answer["isBase64Encoded"] else body.encode()
