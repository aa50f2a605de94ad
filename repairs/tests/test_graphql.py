"""GraphQL of repairs, as staff use it."""

import pytest
from graphql_relay import to_global_id

from accounts.tests.factories import StaffFactory, UserFactory
from core import clock
from core.tests.graph import Graph, failures, verdict
from notifications.models import Message
from repairs.models import Aside, Job, JobNote, Source
from repairs.states import JobStatus

from .factories import JobFactory, SourceFactory

pytestmark = pytest.mark.django_db
MOVE = """mutation ($id: ID!, $input: RepairStatusInput!) { moveRepair(id: $id, input: $input) {
  repair { status jobStatus allowed updates { status by } notes { text by } }
  errors { field code message }
} }"""
NOTE = """mutation ($id: ID!, $input: RepairNoteInput!) { noteRepair(id: $id, input: $input) {
  repair { notes { text by } } errors { field code message }
} }"""
SETTLE = """mutation ($id: ID!, $input: RepairSettleInput!) { settleRepair(id: $id, input: $input) {
  repair { status conflict } errors { field code message }
} }"""


@pytest.fixture
def staff():
    return StaffFactory.create(
        first_name="Mama", last_name="Njeri", permissions=["repairs.handle_job"]
    )


@pytest.fixture
def graph(staff):
    return Graph(staff)


@pytest.fixture
def opened(db):
    return JobFactory.create(key=123)


def ident(job):
    return to_global_id("Repair", job.pk)


def test_staff_see_a_job_by_its_id_and_by_its_number(graph):
    job = JobFactory.create(key=123, statuses=("New",), status=JobStatus.NEW, client_status="New")
    asked = """{ id jobId fullId source status jobStatus clientStatus allowed jobDate jobType
      clientFirstname clientLastname clientPostcode clientMobile productId productType
      phone phoneError attention conflict baseline collectedAt updates { at status by }
      notes { text } }"""
    seen = {
        "id": ident(job),
        "jobId": "00123",
        "fullId": "workshop:00123",
        "source": "workshop",
        "status": "NEW",
        "jobStatus": "New",
        "clientStatus": "New",
        "allowed": ["CANCELLED", "OPENED"],
        "jobDate": "2022-03-21",
        "jobType": "Repair",
        "clientFirstname": "John",
        "clientLastname": "Smith",
        "clientPostcode": "SG13 7TZ",
        "clientMobile": "+447770 123456",
        "productId": "123",
        "productType": "spider catcher",
        "phone": "+447770123456",
        "phoneError": "",
        "attention": "",
        "conflict": "",
        "baseline": False,
        "collectedAt": Job.objects.get().collected_at.isoformat(),
        "updates": [{"at": "2022-03-21T07:00:00+00:00", "status": "New", "by": "client"}],
        "notes": [],
    }

    assert graph(f'{{ repair(id: "{ident(job)}") {asked} }}') == seen
    assert graph(f'{{ node(id: "{ident(job)}") {{ ... on Repair {asked} }} }}') == seen
    for name in ("123", "00123", "workshop:123"):
        assert graph(f'{{ repair(jobId: "{name}") {asked} }}') == seen
    for name in ("124", "bikes:123", "", "²", "9" * 19, "9" * 30):
        assert graph("query ($n: String) { repair(jobId: $n) { id } }", {"n": name}) is None


def test_a_number_of_several_sources_is_refused_with_their_full_names(graph, opened):
    JobFactory.create(key=123, source=SourceFactory.create(name="bikes"))

    response = graph.ask('{ repair(jobId: "123") { id } }')

    assert verdict(response) == ("ambiguous_job", 409)
    assert response.json()["errors"][0]["message"] == (
        "Several sources have a job 00123: name one of bikes:00123, workshop:00123."
    )
    assert graph('{ repair(jobId: "bikes:123") { fullId } }') == {"fullId": "bikes:00123"}


def test_one_name_of_a_job_is_needed_and_no_more(graph, opened):
    for given in ("", f'(id: "{ident(opened)}", jobId: "123")'):
        answer = graph.ask(f"{{ repair{given} {{ id }} }}")
        assert verdict(answer) == ("invalid", 400)


def test_lists_and_counts_have_the_filters_of_rest(graph, opened):
    JobFactory.create(key=7, statuses=("NEW", "OPENED", "JOB COMPLETED"), lastname="Moore")
    JobFactory.create(key=8, conflict="CLOSED", job_date="2022-03-25")

    def found(arguments):
        page = graph(f"{{ repairs(first: 9{arguments}) {{ totalCount nodes {{ jobId }} }} }}")
        assert page["totalCount"] == len(page["nodes"])
        return [each["jobId"] for each in page["nodes"]]

    assert found("") == ["00008", "00007", "00123"]
    assert found(", ordering: JOB_DATE") == ["00123", "00007", "00008"]
    assert found(", status: JOB_COMPLETED") == ["00007"]
    assert found(', client: "John Moore"') == ["00007"]
    assert found(', dateAfter: "2022-03-22", attention: true') == ["00008"]
    assert found(', source: "bikes"') == []
    asked = "{ new opened jobCompleted closed cancelled total attention }"
    assert graph(f"{{ repairCounts {asked} }}") == {
        "new": 0,
        "opened": 2,
        "jobCompleted": 1,
        "closed": 0,
        "cancelled": 0,
        "total": 3,
        "attention": 1,
    }
    assert graph('{ repairCounts(client: "moore") { opened jobCompleted total attention } }') == {
        "opened": 0,
        "jobCompleted": 1,
        "total": 1,
        "attention": 0,
    }
    for field in (
        'repairs(first: 1, date: "x") { totalCount }',
        'repairCounts(date: "x") { total }',
    ):
        assert failures(graph.ask(f"{{ {field} }}")) == [("date", "invalid")]


def test_a_job_is_moved_noted_and_told_as_by_rest(graph, opened, staff):
    given = {"id": ident(opened), "input": {"jobStatus": "JOB_COMPLETED", "note": "A spring."}}

    assert graph.done(MOVE, given)["repair"] == {
        "status": "JOB_COMPLETED",
        "jobStatus": "JOB COMPLETED",
        "allowed": ["CLOSED"],
        "updates": [
            {"status": "NEW", "by": "client"},
            {"status": "OPENED", "by": "client"},
            {"status": "JOB COMPLETED", "by": "Mama Njeri"},
        ],
        "notes": [{"text": "A spring.", "by": "Mama Njeri"}],
    }
    noted = {"id": ident(opened), "input": {"text": "They call on Monday."}}
    assert graph.done(NOTE, noted)["repair"]["notes"] == [
        {"text": "A spring.", "by": "Mama Njeri"},
        {"text": "They call on Monday.", "by": "Mama Njeri"},
    ]
    closed = {"id": ident(opened), "input": {"jobStatus": "CLOSED"}}
    assert graph.done(MOVE, closed)["repair"]["status"] == "CLOSED"
    assert list(Message.objects.values_list("event", flat=True)) == ["repair.closed"]
    opened.refresh_from_db()
    assert [each["by"] for each in opened.updates[-2:]] == [str(staff.pk)] * 2


def test_what_is_refused_has_the_codes_of_rest_and_changes_nothing(graph, opened):
    before = Job.objects.values().get()
    one = {"id": ident(opened)}

    assert graph.refused(MOVE, {**one, "input": {"jobStatus": "CLOSED", "note": "?"}}) == [
        (None, "ILLEGAL_MOVE")
    ]
    assert graph.refused(NOTE, {**one, "input": {"text": " "}}) == [("text", "BLANK")]
    assert graph.refused(SETTLE, {**one, "input": {"keep": "ours"}}) == [
        (None, "NOTHING_TO_SETTLE")
    ]
    assert graph.refused(SETTLE, {**one, "input": {"keep": "both"}}) == [("keep", "INVALID_CHOICE")]
    other = {"id": to_global_id("Repair", opened.pk + 1), "input": {"text": "Hm."}}
    assert verdict(graph.ask(NOTE, other)) == ("not_found", 404)
    assert Job.objects.values().get() == before
    assert not JobNote.objects.exists()


def test_a_contradiction_is_settled(graph):
    job = JobFactory.create(conflict="CLOSED", client_status="CLOSED")

    settled = graph.done(SETTLE, {"id": ident(job), "input": {"keep": "client"}})

    assert settled["repair"] == {"status": "CLOSED", "conflict": ""}


def test_who_only_sees_jobs_does_not_change_them(opened):
    graph = Graph(StaffFactory.create(permissions=["repairs.view_job"]))

    assert graph('{ repair(jobId: "123") { status } }') == {"status": "OPENED"}
    for document, given in (
        (MOVE, {"jobStatus": "CANCELLED"}),
        (NOTE, {"text": "Hm."}),
        (SETTLE, {"keep": "ours"}),
    ):
        answer = graph.ask(document, {"id": ident(opened), "input": given})
        assert verdict(answer) == ("permission_denied", 403)


def test_clients_databases_say_how_they_do_without_their_addresses(graph, settings, monkeypatch):
    entry = {"columns": {"client_mobile": "phone"}, "statuses": {"In the shop": "OPENED"}}
    settings.REPAIR_SOURCES = {
        "workshop": {
            "url": "mysql+pymysql://x:s3cret@y/z",
            "table": "T",
            "write_back": True,
            **entry,
        }
    }
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    source = SourceFactory.create(
        complete_at=now, baseline_to=2**40, collected=3, failing_since=now, error_code="slow",
        error="It took 9 s.", findings=[{"code": "missing_right", "detail": "UPDATE is missing."}],
    )  # fmt: skip
    SourceFactory.create(name="bikes")
    Aside.objects.create(source=source, key="x", reason="bad_key", detail="No number.")
    asked = """{ repairSources(first: 9) { nodes {
      name active configured lag completeAt baselinedAt failingSince errorCode error collected
      setAside checkedAt baseline { to after } findings { code detail }
      layout { table writeBack columns { column called } statuses { word status } }
    } } }"""

    bikes, workshop = graph(asked)["nodes"]

    columns = {each["column"]: each["called"] for each in workshop["layout"].pop("columns")}
    assert (len(columns), columns["client_mobile"], columns["job_id"]) == (9, "phone", "job_id")
    assert workshop == {
        "name": "workshop",
        "active": True,
        "configured": True,
        "lag": 0,
        "completeAt": now.isoformat(),
        "baselinedAt": None,
        "failingSince": now.isoformat(),
        "errorCode": "SLOW",
        "error": "It took 9 s.",
        "collected": 3,
        "setAside": 1,
        "checkedAt": None,
        "baseline": {"to": str(2**40), "after": None},
        "findings": [{"code": "MISSING_RIGHT", "detail": "UPDATE is missing."}],
        "layout": {
            "table": "T",
            "writeBack": True,
            "statuses": [{"word": "In the shop", "status": "OPENED"}],
        },
    }
    nothing = ("layout", "baseline", "findings", "errorCode", "lag", "failingSince")
    assert {name: bikes[name] for name in nothing} == dict.fromkeys(nothing)
    assert (bikes["configured"], bikes["setAside"]) == (False, 0)
    one = to_global_id("RepairSource", source.pk)
    assert graph(f'{{ node(id: "{one}") {{ ... on RepairSource {{ name setAside }} }} }}') == {
        "name": "workshop",
        "setAside": 1,
    }
    assert Source.objects.count() == 2


@pytest.mark.parametrize("rows", [1, 3])
def test_a_page_takes_the_same_statements_for_1_and_3_rows(
    shopkeeper, rows, django_assert_num_queries
):
    for number in range(rows):
        source = SourceFactory.create(name=f"w{number}")
        Aside.objects.create(source=source, key="x", reason="bad_key", detail="No number.")
        for _ in range(rows):
            job = JobFactory.create(source=source)
            for each in UserFactory.create_batch(rows):
                job.updates.append(
                    {"at": "2022-03-21T07:00:00+00:00", "status": "OPENED", "by": str(each.pk)}
                )
                JobNote.objects.create(job=job, text="Hm.", by=each)
            job.save()
    graph = Graph(shopkeeper)

    # session, user, membership; jobs with their sources, who moved them, notes with their authors
    with django_assert_num_queries(6):
        page = graph(
            "{ repairs(first: 20) { nodes { fullId attention updates { by } notes { by } } } }"
        )
    assert [len(each["notes"]) for each in page["nodes"]] == [rows] * rows * rows
    assert {None} & {each["by"] for job in page["nodes"] for each in job["updates"]} == set()

    # session, user, membership; sources
    with django_assert_num_queries(4):
        page = graph("{ repairSources(first: 20) { nodes { name setAside layout { table } } } }")
    assert len(page["nodes"]) == rows

    # session, user, membership; jobs alone
    with django_assert_num_queries(4):
        graph("{ repairs(first: 20) { nodes { jobId status } } }")

    # session, user, membership; by status, those that need attention
    with django_assert_num_queries(5):
        assert graph("{ repairCounts { total } }") == {"total": rows * rows}
