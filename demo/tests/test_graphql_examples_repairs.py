"""The example documents of repairs, asked of the demo shop as `make run` has it, with a client."""

import pytest
from django.core.cache import cache
from django.core.management import call_command

from demo.client import UNKNOWN_WORD_AT
from repairs.models import Job

from .test_graphql_examples import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def baraka(db, workshop):
    cache.clear()
    call_command("load_demo", verbosity=0)
    return signed_in("employee")


def test_the_employee_sees_the_open_jobs_and_moves_one_on(baraka):
    asked = baraka.example("open-repairs")

    jobs = asked["repairs"]["nodes"]
    opened = Job.objects.filter(status="OPENED")
    assert asked["repairCounts"]["opened"] == len(jobs) == opened.count()
    assert UNKNOWN_WORD_AT not in [int(each["jobId"]) for each in jobs]
    [sample] = [each for each in jobs if each["jobId"] == "00123"]
    assert {**sample, "id": "", "jobDate": ""} == {
        "id": "",
        "jobId": "00123",
        "jobDate": "",
        "clientFirstname": "John",
        "clientLastname": "Smith",
        "productType": "spider catcher",
        "status": "OPENED",
        "allowed": ["CANCELLED", "JOB_COMPLETED"],
        "attention": "",
    }

    moved = baraka.done("move-repair", id=sample["id"])["repair"]

    assert (moved["status"], moved["allowed"]) == ("JOB_COMPLETED", ["CLOSED"])
    assert moved["updates"][-1]["by"] == "Baraka Mwangi"
    assert moved["notes"] == [{"text": "A new spring.", "by": "Baraka Mwangi"}]
    assert sample["id"] not in [
        each["id"] for each in baraka.example("open-repairs")["repairs"]["nodes"]
    ]
