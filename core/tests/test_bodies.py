"""Bodies of views that take more than others, once they know who sends it."""

from io import BytesIO

import pytest
from django.core.exceptions import RequestDataTooBig
from django.test import RequestFactory
from rest_framework.exceptions import ParseError

from core.api.bodies import whole_body
from core.wsgi import Request


def request_with(body, **environ):
    made = RequestFactory().post("/x").environ
    return Request(made | {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))} | environ)


CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}


@pytest.mark.parametrize("environ", [{}, CHUNKED])
@pytest.mark.parametrize("size", [0, 9, 10, 11, 30])
def test_more_than_the_usual_is_read_up_to_a_limit_of_the_view_s_own(settings, environ, size):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    request = request_with(b"x" * size, **environ)

    assert whole_body(request, most=30) == b"x" * size
    # Read again it is the same, by whoever asks.
    assert request.body == request.read() == whole_body(request, most=30) == b"x" * size


@pytest.mark.parametrize("environ", [{}, CHUNKED])
@pytest.mark.parametrize("most", [5, 20])
def test_a_byte_more_is_refused(settings, environ, most):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10

    with pytest.raises(RequestDataTooBig):
        whole_body(request_with(b"x" * (most + 1), **environ), most=most)


def test_what_was_read_before_is_given_again():
    request = request_with(b"abc")

    assert request.body == whole_body(request, most=3) == b"abc"


def test_a_body_that_ends_too_soon_is_refused():
    with pytest.raises(ParseError, match="ended before its Content-Length"):
        whole_body(request_with(b"abc", CONTENT_LENGTH="4"), most=10)


@pytest.mark.parametrize("said", ["", "x", "-1"])
def test_without_a_length_there_is_no_body(said):
    assert whole_body(request_with(b"abc", CONTENT_LENGTH=said), most=10) == b""
