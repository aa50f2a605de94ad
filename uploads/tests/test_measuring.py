"""Numbers of uploads for Prometheus."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from uploads import services
from uploads.models import Upload

from .factories import csv_of, upload_of

pytestmark = pytest.mark.django_db


def numbers():
    return [family.samples[0].value for family in services.measure()]


def test_an_upload_that_no_worker_takes_is_seen(django_assert_num_queries):
    assert numbers() == [0, 0]
    upload_of(csv_of({"name": "A"}))
    Upload.objects.update(due_at=Now() - timedelta(minutes=30))

    with django_assert_num_queries(1):
        waiting, overdue = numbers()

    assert waiting == 1
    assert 1800 <= overdue < 1900
