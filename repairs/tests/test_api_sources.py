"""Clients' databases by REST: how they do, how they are read, and rows that became no jobs."""

from datetime import UTC, datetime, timedelta

import pytest
from django_tasks_db.models import DBTaskResult

from core import clock
from core.tests.rest import parameters, pointers, problem_of, utc
from repairs.clients import COLUMNS
from repairs.models import Aside, Source
from repairs.tasks import collect_source

from .factories import SourceFactory

pytestmark = pytest.mark.django_db
SECRET = "s3cret-of-the-client"


@pytest.fixture
def source(settings):
    settings.REPAIR_SOURCES = {
        "workshop": {
            "url": f"mysql+pymysql://duka:{SECRET}@db.client.example/shop",
            "table": "Jobs",
            "columns": {"client_mobile": "phone"},
            "statuses": {"In the shop": "OPENED"},
            "write_back": True,
        }
    }
    return SourceFactory.create()


def fresh(source):
    return Source.objects.values().get(pk=source.pk)


def an_aside(source, key="x", **fields):
    defaults = {"reason": "bad_key", "detail": "It is no whole number.", "row": {"job_id": key}}
    return Aside.objects.create(source=source, key=key, **{**defaults, **fields})


# How they do


def test_a_new_source_says_how_its_table_is_read_and_that_nothing_came_so_far(api, source):
    response = api.get("/repair-sources/workshop/")

    assert response.status_code == 200
    assert response.json() == {
        "name": "workshop",
        "active": True,
        "configured": True,
        "table": "",
        "columns": {},
        "statuses": {},
        "write_back": None,
        "layout": {
            "table": "Jobs",
            "columns": {**{name: name for name in COLUMNS}, "client_mobile": "phone"},
            "statuses": {"In the shop": "OPENED"},
            "write_back": True,
        },
        "lag": None,
        "complete_at": None,
        "baselined_at": None,
        "baseline": None,
        "failing_since": None,
        "error_code": "",
        "error": "",
        "findings": None,
        "checked_at": None,
        "collected": 0,
        "set_aside": 0,
    }
    assert SECRET not in response.content.decode()
    assert "client.example" not in response.content.decode()


def test_a_source_says_how_collecting_from_it_goes(api, source, monkeypatch):
    now = datetime(2026, 11, 21, 8, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: now)
    Source.objects.update(
        complete_at=now - timedelta(seconds=90),
        baseline_to=1000,
        baseline_after=400,
        failing_since=now - timedelta(seconds=60),
        error_code="locked",
        error="Its rows are locked.",
        findings=[{"code": "slow", "detail": "It took 9 s."}],
        checked_at=now,
        collected=400,
    )
    an_aside(source)
    an_aside(source, key="y", resolved_at=now)
    an_aside(SourceFactory.create(name="bikes"))

    body = api.get("/repair-sources/workshop/").json()

    assert {name: body[name] for name in list(body)[8:]} == {
        "lag": 90,
        "complete_at": "2026-11-21T07:58:30Z",
        "baselined_at": None,
        "baseline": {"to": 1000, "after": 400},
        "failing_since": "2026-11-21T07:59:00Z",
        "error_code": "locked",
        "error": "Its rows are locked.",
        "findings": [{"code": "slow", "detail": "It took 9 s."}],
        "checked_at": "2026-11-21T08:00:00Z",
        "collected": 400,
        "set_aside": 1,
    }


def test_the_lag_is_never_less_than_nothing(source, monkeypatch):
    source.complete_at = clock.now() + timedelta(seconds=5)

    assert source.lag == 0


def test_a_source_that_the_settings_name_no_more_says_so(api, source, settings):
    settings.REPAIR_SOURCES = {}

    body = api.get("/repair-sources/workshop/").json()

    assert (body["configured"], body["layout"]) == (False, None)
    for verb in ("test", "collect"):
        response = api.post(f"/repair-sources/workshop/{verb}/")
        assert pointers(response) == [("/source", "unknown_source")]


def test_sources_come_by_their_names_with_filters(api, source):
    SourceFactory.create(name="bikes", active=False)

    def names(query=""):
        return [each["name"] for each in api.get(f"/repair-sources/{query}").json()["results"]]

    assert names() == ["bikes", "workshop"]
    assert names("?ordering=-name") == ["workshop", "bikes"]
    assert names("?active=true") == ["workshop"]
    assert parameters(api.get("/repair-sources/?url=x")) == [("url", "invalid")]
    assert api.get("/repair-sources/cars/").status_code == 404


@pytest.mark.parametrize("rows", [1, 3])
def test_a_list_takes_the_same_statements_for_1_and_3_rows(api, rows, django_assert_num_queries):
    for number in range(rows):
        an_aside(SourceFactory.create(name=f"w{number}"))

    for path in ("/repair-sources/", "/repair-rows-aside/"):
        # session, user, membership; the rows
        with django_assert_num_queries(4):
            assert len(api.get(path).json()["results"]) == rows


# How they are read


def test_what_is_given_goes_before_the_settings(api, source):
    changes = {
        "active": False,
        "table": "tbl_jobs",
        "columns": {"job_type": "kind"},
        "statuses": {"Fertig": "JOB COMPLETED"},
        "write_back": False,
    }

    response = api.patch("/repair-sources/workshop/", changes)

    assert response.status_code == 200
    body = response.json()
    assert {name: body[name] for name in changes} == changes
    names = {name: name for name in COLUMNS}
    assert body["layout"] == {
        "table": "tbl_jobs",
        "columns": {**names, "client_mobile": "phone", "job_type": "kind"},
        "statuses": {"In the shop": "OPENED", "Fertig": "JOB COMPLETED"},
        "write_back": False,
    }
    back = api.patch("/repair-sources/workshop/", {"table": "", "write_back": None}).json()
    assert (back["layout"]["table"], back["layout"]["write_back"]) == ("Jobs", True)


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"columns": {"colour": "x"}}, [("/columns/colour", "bad_mapping")]),
        ({"columns": {"job_id": 7}}, None),
        ({"columns": []}, [("/columns", "not_a_dict")]),
        ({"columns": {"job_type": ""}}, [("/columns/job_type", "blank")]),
        ({"columns": {"job_type": "a\0b"}}, [("/columns/job_type", "null_characters_not_allowed")]),
        ({"statuses": {"Lost": "LOST"}}, [("/statuses/Lost", "bad_mapping")]),
        ({"table": "x" * 129, "active": "?"}, [("/active", "invalid"), ("/table", "max_length")]),
        ({"url": "mysql://x"}, [("/url", "unknown_field")]),
    ],
)
def test_a_mapping_that_leads_nowhere_names_what_is_wrong(api, source, changes, errors):
    before = fresh(source)

    response = api.patch("/repair-sources/workshop/", changes)

    if errors is None:
        # Numbers are read as the text they would be written as.
        assert response.json()["columns"] == {"job_id": "7"}
        return
    assert pointers(response) == errors
    assert fresh(source) == before


def test_what_was_read_can_be_sent_back(api, source):
    read = api.get("/repair-sources/workshop/").json()

    assert api.patch("/repair-sources/workshop/", {**read, "active": False}).json() == {
        **read,
        "active": False,
    }


def test_the_etag_is_of_what_can_be_changed_alone(api, source):
    path = "/repair-sources/workshop/"
    etag = api.get(path)["ETag"]
    Source.objects.update(complete_at=clock.now(), collected=5)

    response = api.get(path, If_None_Match=etag)
    assert (response.status_code, response["ETag"]) == (200, etag)
    changed = api.patch(path, {"table": "t"}, If_Match=etag)
    assert changed.status_code == 200
    assert changed["ETag"] == api.get(path)["ETag"] != etag

    for method, verb in (("PATCH", ""), ("POST", "test/"), ("POST", "collect/")):
        response = api._call(method, f"{path}{verb}", {}, If_Match=etag)
        assert response.status_code == 412
        assert problem_of(response)["code"] == "precondition_failed"


# The test of the connection


def test_a_connection_that_does_well_has_no_findings(api, sqlite_table):
    response = api.post("/repair-sources/workshop/test/")

    assert response.status_code == 200
    source = Source.objects.get()
    assert (response.json()["findings"], source.findings) == ([], [])
    assert response.json()["checked_at"] == utc(source.checked_at)


def test_what_is_wrong_with_a_connection_is_in_the_findings(api, sqlite_table):
    sqlite_table.execute("ALTER TABLE Jobs RENAME COLUMN client_mobile TO phone")

    def findings():
        answer = api.post("/repair-sources/workshop/test/", Idempotency_Key="k")
        assert answer.status_code == 200
        return [each["code"] for each in answer.json()["findings"]]

    assert findings() == ["missing_column"]
    api.patch("/repair-sources/workshop/", {"columns": {"client_mobile": "phone"}})
    # The key has not kept the first answer.
    assert findings() == []


# Collecting


def test_collecting_now_makes_it_due_and_wakes_a_worker(
    api, sqlite_table, django_capture_on_commit_callbacks
):
    Source.objects.update(next_at=clock.now() + timedelta(hours=1))

    with django_capture_on_commit_callbacks(execute=True):
        response = api.post("/repair-sources/workshop/collect/", Idempotency_Key="k")

    assert response.status_code == 202
    source = Source.objects.get()
    assert response.json()["name"] == "workshop"
    assert source.next_at <= clock.now()
    [woken] = DBTaskResult.objects.filter(task_path=collect_source.module_path)
    assert woken.args_kwargs["args"] == []
    assert woken.args_kwargs["kwargs"] == {"source_id": source.pk}
    # The worker's own work.
    sqlite_table.insert(job_id=5)
    collect_source.call(**woken.args_kwargs["kwargs"])
    again = api.get("/repair-sources/workshop/").json()
    assert (again["collected"], again["error"], again["baseline"]) == (1, "", {"to": 5, "after": 5})


def test_nobody_collects_from_a_source_that_is_not_active(api, source):
    Source.objects.update(active=False)

    response = api.post("/repair-sources/workshop/collect/")

    assert response.status_code == 409
    assert problem_of(response) == {
        "title": "Conflict",
        "detail": "workshop is not active: nobody collects from it.",
        "code": "source_inactive",
        "errors": [],
    }
    assert not DBTaskResult.objects.filter(task_path=collect_source.module_path).exists()


# Rows set aside


def test_rows_that_became_no_jobs_are_listed_with_their_reason(api, source):
    bikes = SourceFactory.create(name="bikes")
    first = an_aside(source)
    mended = an_aside(source, key="7", reason="unknown_status", resolved_at=clock.now())
    other = an_aside(bikes)

    def found(query):
        body = api.get(f"/repair-rows-aside/?{query}").json()
        return [each["id"] for each in body["results"]]

    assert found("") == [other.pk, mended.pk, first.pk]
    assert found("source=workshop") == [mended.pk, first.pk]
    assert found("open=true") == [other.pk, first.pk]
    assert found("open=false&reason=unknown_status") == [mended.pk]
    assert found("source=cars") == []
    assert parameters(api.get("/repair-rows-aside/?reason=x&key=7")) == [
        ("key", "invalid"),
        ("reason", "invalid"),
    ]
    row = api.get(f"/repair-rows-aside/{first.pk}/")
    first.refresh_from_db()
    assert row.json() == {
        "id": first.pk,
        "source": "workshop",
        "key": "x",
        "reason": "bad_key",
        "detail": "It is no whole number.",
        "row": {"job_id": "x"},
        "first_seen_at": utc(first.first_seen_at),
        "last_seen_at": utc(first.last_seen_at),
        "resolved_at": None,
    }
