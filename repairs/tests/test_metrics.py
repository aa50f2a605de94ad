"""What Prometheus is told of repairs."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from core import clock
from repairs import services
from repairs.models import Aside

from .factories import JobFactory, SourceFactory

pytestmark = pytest.mark.django_db
TOKEN = "tests-only-0123456789"


@pytest.fixture(autouse=True)
def configured(settings):
    settings.METRICS_TOKEN = TOKEN
    given = {"url": "sqlite://", "table": "Jobs", "columns": {}, "statuses": {}, "write_back": True}
    settings.REPAIR_SOURCES = {"idle": given, "new": given, "workshop": given}


def numbers():
    """Return what is said of repairs, by name and labels."""
    answer = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    lines = [line for line in answer.content.decode().splitlines() if "duka_repairs" in line]
    return {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    }


def test_each_source_says_how_it_does(monkeypatch):
    now = timezone.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    ago = now - timedelta(seconds=90)
    workshop = SourceFactory.create(complete_at=ago, baselined_at=ago, collected=7)
    SourceFactory.create(name="new", failures=2)
    SourceFactory.create(name="idle", active=False, complete_at=ago, collected=3)
    SourceFactory.create(name="gone", complete_at=ago)
    Aside.objects.create(source=workshop, key="x", reason="bad_key", detail="No number.")
    Aside.objects.create(
        source=workshop, key="y", reason="bad_key", detail="No number.", resolved_at=now
    )

    said = numbers()

    assert {name: value for name, value in said.items() if "source=" in name} == {
        'duka_repairs_lag_seconds{source="workshop"}': 90,
        'duka_repairs_failing{source="workshop"}': 0,
        'duka_repairs_failing{source="new"}': 1,
        'duka_repairs_baselined{source="workshop"}': 1,
        'duka_repairs_baselined{source="new"}': 0,
        'duka_repairs_collected_total{source="gone"}': 0,
        'duka_repairs_collected_total{source="idle"}': 3,
        'duka_repairs_collected_total{source="new"}': 0,
        'duka_repairs_collected_total{source="workshop"}': 7,
        'duka_repairs_set_aside{source="gone"}': 0,
        'duka_repairs_set_aside{source="idle"}': 0,
        'duka_repairs_set_aside{source="new"}': 0,
        'duka_repairs_set_aside{source="workshop"}': 1,
    }


def test_jobs_are_counted_by_their_status_and_by_what_they_need():
    JobFactory.create()
    JobFactory.create(conflict="Lost", write_due=True)
    JobFactory.create(phone="", phone_error="There is no phone number.")
    JobFactory.create(statuses=("NEW", "OPENED", "CANCELLED"))

    said = numbers()

    assert {name: value for name, value in said.items() if "source=" not in name} == {
        'duka_repairs_jobs{status="NEW"}': 0,
        'duka_repairs_jobs{status="OPENED"}': 3,
        'duka_repairs_jobs{status="JOB COMPLETED"}': 0,
        'duka_repairs_jobs{status="CLOSED"}': 0,
        'duka_repairs_jobs{status="CANCELLED"}': 1,
        "duka_repairs_attention": 2,
        "duka_repairs_write_due": 1,
    }


def test_nobody_waits_for_a_database_that_is_only_read_to_know_of_a_move(settings):
    JobFactory.create(write_due=True)
    read_only = {**settings.REPAIR_SOURCES["idle"], "write_back": False}
    settings.REPAIR_SOURCES = {**settings.REPAIR_SOURCES, "workshop": read_only}

    assert numbers()["duka_repairs_write_due"] == 0


def test_the_statements_stay_few_however_many_sources_there_are(django_assert_num_queries):
    SourceFactory.create(name="workshop")
    with django_assert_num_queries(5):
        list(services.measure())
    for name in ("new", "idle"):
        JobFactory.create(source=SourceFactory.create(name=name))
    with django_assert_num_queries(5):
        list(services.measure())
