"""Callers and readers that the tests of the core share."""

import io
import json
import logging

import pytest
from django.apps import apps
from django.core.cache import caches
from django.test import Client
from pythonjsonlogger.json import JsonFormatter

from core.tests.rest import program_with


@pytest.fixture
def model():
    """`model("orders.Order")`: a model of an app that the core itself does not know."""
    return apps.get_model


@pytest.fixture
def program(db):
    """A program without any right, with a bearer token."""
    return program_with()


@pytest.fixture
def anonymous():
    return Client(raise_request_exception=False)


@pytest.fixture
def log(request):
    """Return what the shop's own handler has written meanwhile, each line parsed."""
    handler = next(
        each for each in logging.getLogger().handlers if isinstance(each.formatter, JsonFormatter)
    )
    written = io.StringIO()
    before = handler.setStream(written)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    handler.setStream(before)


@pytest.fixture
def no_throttle_history():
    caches["process"].clear()
    yield
    caches["process"].clear()


@pytest.fixture
def shop(api):
    """A customer C1 and 100 pieces of the SKU TEA at 10.00."""
    assert api.post("/customers/", {"name": "A", "phone": "0722000000", "code": "C1"}).status_code
    product = {"name": "Tea", "sku": "TEA", "price": "10.00", "stock": 100}
    assert api.post("/products/", product).status_code == 201
    return {"customer": "C1", "lines": [{"sku": "TEA", "quantity": 2}]}
