"""What the web server hands over, before any middleware: bodies in chunks."""

import io
import json

import pytest
from django.test import RequestFactory

from core.wsgi import Request


def environ(body, **headers):
    made = RequestFactory().post("/x", data=b"", content_type="application/json").environ
    return made | {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True} | headers


def test_a_body_in_chunks_is_read_whole():
    body = json.dumps({"reason": "called off by phone"}).encode()

    request = Request(environ(body, HTTP_TRANSFER_ENCODING="chunked"))

    assert request.body == body


def test_a_body_in_chunks_is_held_to_the_limit(settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    stream = io.BytesIO(b"x" * 1000)

    request = Request(environ(b"", HTTP_TRANSFER_ENCODING="chunked") | {"wsgi.input": stream})

    assert stream.tell() == 11
    with pytest.raises(Exception, match="exceeded"):
        _ = request.body


def test_a_server_that_does_not_end_its_stream_is_not_waited_for():
    made = environ(b"never read", HTTP_TRANSFER_ENCODING="chunked")
    del made["wsgi.input_terminated"]

    assert Request(made).body == b""
