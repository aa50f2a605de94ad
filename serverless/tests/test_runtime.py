"""The handlers under awslambdaric, AWS's own client, as a function of Lambda runs them."""

import io
import json

import pytest
from django.conf import settings
from django.db import connection
from PIL import Image

from accounts.tests.callers import bearer, keeper
from catalog.tests.factories import ProductFactory
from notifications.models import Message
from repairs.models import DocumentWrite, Job, Source
from repairs.tests.conftest import lead_to
from repairs.tests.factories import JobFactory
from repairs.tests.mariadb import SQLiteTable
from repairs.tests.mongo import NxMongo
from serverless.tests.events import SCHEDULED, body_of, request
from serverless.tests.runtime import function

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def said(answer):
    return json.loads(body_of(answer))


@pytest.fixture
def env(tmp_path):
    """The shop of the tests, as a function's environment says it."""
    return {
        "SHOP_URL": settings.SHOP_URL,
        "IDENTITY_FILE": str(settings.IDENTITY_FILE),
        "MEDIA_ROOT": str(tmp_path / "media"),
        "LOG_LEVEL": "WARNING",
    }


def test_the_api_answers_one_event_after_the_other(env):
    token = bearer(keeper().subject)
    job = JobFactory.create(key=123, phone="")
    product = ProductFactory.create()
    picture = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(picture, "PNG")

    with function("serverless.handlers.http", **env) as api:
        stranger = api.respond(request("GET", "/api/v1/repairs/"))
        listed = api.respond(request("GET", "/api/v1/repairs/", headers=token))
        moved = api.respond(
            request(
                "POST",
                "/api/v1/repairs/00123/status/",
                {"job_status": "JOB COMPLETED"},
                headers=token,
            )
        )
        illegal = api.respond(
            request("POST", "/api/v1/repairs/00123/status/", {"job_status": "NEW"}, headers=token)
        )
        missing = api.respond(request("GET", "/api/v1/repairs/99999/", headers=token))
        kind, error = api.invoke(SCHEDULED)
        uploaded = api.respond(
            request(
                "POST",
                f"/api/v1/products/{product.pk}/images/",
                b'--cut\r\nContent-Disposition: form-data; name="image"; filename="mug.png"\r\n'
                b"Content-Type: image/png\r\n\r\n" + picture.getvalue() + b"\r\n--cut--\r\n",
                headers={**token, "content-type": "multipart/form-data; boundary=cut"},
            )
        )
        shown = api.respond(
            request("GET", "/" + said(uploaded)["url"].partition("//")[2].partition("/")[2])
        )

    assert stranger["statusCode"] == 401
    assert stranger["headers"]["content-type"] == "application/problem+json"
    assert [each["job_id"] for each in said(listed)["results"]] == ["00123"]
    assert (moved["statusCode"], said(moved)["job_status"]) == (200, "JOB COMPLETED")
    job.refresh_from_db()
    assert job.status == "JOB COMPLETED"
    assert (illegal["statusCode"], missing["statusCode"]) == (409, 404)
    # An event that it cannot serve is an error of that one, and the next is served.
    assert (kind, error["errorType"]) == ("error", "ValueError")
    assert uploaded["statusCode"] == 201
    assert shown["isBase64Encoded"] is True
    assert Image.open(io.BytesIO(body_of(shown))).size == (40, 30)


def test_the_schedule_collects_and_tells_and_writes_documents(env, settings, tmp_path):
    mongo = NxMongo()
    try:
        table = lead_to(settings, SQLiteTable(tmp_path / "workshop.sqlite3"))
        Source.objects.update(baseline_to=0, baselined_at="2022-03-21T00:00:00Z")
        table.insert(job_id=123, job_status="NEW", client_mobile="+447770 123456")
        with function(
            "serverless.handlers.collect", MONGO_URL=mongo.url, **table.env, **env
        ) as api:
            first = api.respond(SCHEDULED)
            table.insert(job_id=124, job_status="NEW", client_mobile="+447770 123457")
            no_time = api.respond(SCHEDULED, seconds=5)
            Source.objects.update(next_at="2022-03-21T00:00:00Z")
            second = api.respond(SCHEDULED)
        documents = mongo.documents()
    finally:
        mongo.close()

    assert first == {
        "collected": {"workshop": "1 collected, 0 followed, 1 written back"},
        "messages": 1,
        "callbacks": 0,
        "documents": 1,
    }
    assert no_time["collected"] == {"workshop": "no time was left"}
    assert second["collected"] == {"workshop": "1 collected, 0 followed, 1 written back"}
    assert sorted(documents) == ["workshop:00123", "workshop:00124"]
    assert {row["job_status"] for row in table.rows()} == {"OPENED"}
    assert [job.status for job in Job.objects.all()] == ["OPENED", "OPENED"]
    assert [each.status for each in Message.objects.all()] == ["sent", "sent"]
    assert not DocumentWrite.objects.exists()


def test_one_that_cannot_start_says_so(env):
    with function("serverless.handlers.http", **{**env, "SHOP_URL": "none"}) as api:
        kind, error = api.answers.get(timeout=90)

    assert kind == "init error"
    assert error["errorType"] == "Runtime.ImportModuleError" or "SHOP_URL" in error["errorMessage"]


def test_connections_that_died_while_it_was_frozen_are_made_anew(env):
    token = bearer(keeper().subject)
    with function("serverless.handlers.http", **env) as api:
        before = api.respond(request("GET", "/api/v1/repairs/", headers=token))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            ended = cursor.rowcount
        after = api.respond(request("GET", "/api/v1/repairs/", headers=token))

    assert ended == 1
    assert (before["statusCode"], after["statusCode"]) == (200, 200)
