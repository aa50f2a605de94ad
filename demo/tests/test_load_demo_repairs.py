"""What the demo shop repairs, where `make run` plays a workshop."""

import contextlib
import sqlite3

import pytest
from django.core.management import call_command

from accounts.models import User
from notifications.models import Message
from repairs.models import Aside, Job, Source

pytestmark = pytest.mark.django_db


def test_what_was_there_is_a_baseline_and_what_is_brought_is_told(api_as, workshop):
    call_command("load_demo", verbosity=0)
    employee = api_as(User.objects.get(email="employee@duka.example"))

    assert Job.objects.filter(baseline=True).count() == 21
    assert Aside.objects.get().key == "110"
    new = Job.objects.filter(baseline=False).order_by("key")
    assert [(job.job_id, job.status, job.lastname) for job in new] == [
        ("00123", "OPENED", "Smith"),
        ("00124", "OPENED", "Chebet"),
    ]
    told = Message.objects.filter(subject="repair").order_by("pk")
    assert [(message.event, message.reference, message.to) for message in told] == [
        ("repair.opened", "workshop:00123", "+447770123456"),
        ("repair.opened", "workshop:00124", "+254722000124"),
    ]
    # The client's own table knows it, too.
    assert {key: word for key, word in workshop.words().items() if key > 122} == {
        123: "OPENED",
        124: "OPENED",
    }
    document = employee.get("/repairs/00123/").json()
    assert document["product"] == {"product_id": "123", "product_type": "spider catcher"}


def test_loading_twice_brings_nothing_twice(workshop):
    call_command("load_demo", verbosity=0)
    call_command("load_demo", verbosity=0)

    assert Message.objects.filter(subject="repair").count() == 2
    assert max(workshop.words()) == 124


def test_without_a_workshop_nobody_s_jobs_are_looked_for(settings, tmp_path):
    settings.REPAIR_SOURCES = {"workshop": {"url": f"sqlite:///{tmp_path}/real.sqlite3"}}

    call_command("load_demo", verbosity=0)

    assert Job.objects.count() == 0


def test_a_shop_opens_though_its_workshop_s_file_is_none(workshop):
    workshop.prepare()
    with contextlib.closing(sqlite3.connect(workshop.file)) as connection:
        connection.execute("ALTER TABLE Jobs RENAME COLUMN client_mobile TO phone")

    call_command("load_demo", verbosity=0)

    assert Source.objects.get().error_code == "missing_column"
    assert Job.objects.count() == 0
