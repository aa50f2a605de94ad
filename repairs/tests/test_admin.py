"""Repairs in the admin: jobs are moved by verbs alone, sources show how they do."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from accounts.tests.factories import StaffFactory, browser_of
from core import clock
from notifications.models import Message
from repairs import services
from repairs.admin import JobAdmin
from repairs.admin.common import shown as as_shown
from repairs.models import Aside, Job, Source, looked_for
from repairs.states import JobStatus

from .factories import JobFactory, SourceFactory

pytestmark = pytest.mark.django_db
JOBS, SOURCES, ASIDE = (f"/admin/repairs/{name}/" for name in ("job", "source", "aside"))
GIVEN = {
    "url": "sqlite:////nowhere/client.sqlite3",
    "table": "Jobs",
    "columns": {"client_mobile": "phone"},
    "statuses": {"Ready": "JOB COMPLETED"},
    "write_back": True,
}


@pytest.fixture(autouse=True)
def configured(settings):
    settings.REPAIR_SOURCES = {"workshop": GIVEN}


@pytest.fixture
def source():
    return SourceFactory.create()


@pytest.fixture
def viewer():
    return browser_of(StaffFactory.create(permissions=["repairs.view_job"]))


def page_of(row):
    return f"/admin/repairs/{row._meta.model_name}/{row.pk}/change/"


def said(response):
    return [str(each) for each in response.context["messages"]]


def errors(response):
    return response.context["adminform"].form.errors


def listed(browser, path):
    response = browser.get(path)
    assert response.status_code == 200
    return [str(row) for row in response.context["cl"].result_list]


def facts(response):
    """Return what stands on a page: of each read-only field its words."""
    rows = [
        field
        for fieldset in response.context["adminform"]
        for line in fieldset
        for field in line
        if getattr(field, "is_readonly", False)
    ]
    # As the page was shown: by the shop's clocks.
    with timezone.override("Africa/Nairobi"):
        return {str(field.field["name"]): str(field.contents()) for field in rows}


# Jobs


def test_a_job_s_page_shows_its_whole_life_and_has_nothing_to_type_in(admin, shopkeeper):
    job = JobFactory.create(key=123)
    services.move_job(
        job_id=job.pk, to=JobStatus.JOB_COMPLETED, by=shopkeeper, note="Took a while."
    )
    job.refresh_from_db()
    Job.objects.filter(pk=job.pk).update(
        updates=[*job.updates, {"at": "2022-03-21T08:00:00+00:00", "status": "X", "by": "987654"}]
    )

    response = admin.get(page_of(job))

    shown = facts(response)
    assert response.context["adminform"].form.fields == {}
    assert (shown["job_id"], shown["client"], shown["phone_shown"]) == (
        "00123",
        "John Smith",
        "+447770123456",
    )
    lines = shown["timeline"].split("</p>")
    assert lines[0] == "<p>March 21, 2022, 10 a.m. · NEW · The client"
    assert lines[2].endswith(f" · JOB COMPLETED · {shopkeeper}")
    assert lines[3] == "<p>March 21, 2022, 11 a.m. · X · Somebody who worked here"
    assert "/admin/notifications/message/?q=workshop%3A00123" in shown["messages_link"]
    text = response.content.decode()
    assert "Took a while." in text
    assert 'name="_save"' not in text


@pytest.mark.parametrize(
    ("phone", "error", "words"),
    [
        (None, "", "Not looked at yet: it was there before us, and nobody was told."),
        ("", "There is no phone number.", "There is no phone number."),
    ],
)
def test_a_phone_that_nobody_can_be_told_at_says_why(admin, phone, error, words):
    job = JobFactory.create(phone=phone, phone_error=error)

    assert facts(admin.get(page_of(job)))["phone_shown"] == words


@pytest.mark.parametrize(
    ("verb", "statuses", "after"),
    [
        ("open_job", ("NEW",), "OPENED"),
        ("complete_job", ("NEW", "OPENED"), "JOB COMPLETED"),
        ("close_job", ("NEW", "OPENED", "JOB COMPLETED"), "CLOSED"),
        ("cancel_job", ("NEW", "OPENED"), "CANCELLED"),
    ],
)
def test_a_button_asks_and_then_moves(admin, shopkeeper, verb, statuses, after):
    job = JobFactory.create(key=7, statuses=statuses)
    page = page_of(job).replace("change/", f"{verb}/")

    button = f'href="/admin/repairs/job/{job.pk}/{verb}/"'
    assert button in admin.get(page_of(job)).content.decode()
    assert admin.get(page).status_code == 200
    job.refresh_from_db()
    assert job.status == statuses[-1]
    response = admin.post(page, {"note": "As agreed."}, follow=True)

    job.refresh_from_db()
    assert (job.status, job.updates[-1]["by"]) == (after, str(shopkeeper.pk))
    assert said(response) == [f"Job 00007 stands at {job.state.label.lower()}."]
    assert [note.text for note in job.notes.all()] == ["As agreed."]
    assert Message.objects.filter(event="repair.closed").count() == (after == "CLOSED")


def test_moves_that_a_status_forbids_are_not_offered_and_refused(admin):
    job = JobFactory.create(statuses=("NEW", "OPENED"))

    text = admin.get(page_of(job)).content.decode()
    response = admin.post(page_of(job).replace("change/", "close_job/"), {"note": ""}, follow=True)

    offered = [verb.name for verb in JobAdmin.verbs if f"/job/{job.pk}/{verb.name}/" in text]
    assert offered == ["complete_job", "cancel_job", "correct_phone", "add_note"]
    assert said(response) == [f"Job {job.job_id} is OPENED: it cannot become CLOSED."]


def test_several_are_moved_on_the_list_and_those_that_may_not_are_named(admin):
    done = JobFactory.create(key=1)
    over = JobFactory.create(key=2, statuses=("NEW", "OPENED", "CANCELLED"))
    chosen = {"action": "complete_job", "_selected_action": [done.pk, over.pk]}

    asked = admin.post(JOBS, chosen)
    response = admin.post(JOBS, chosen | {"confirmed": "1", "note": ""}, follow=True)

    assert "Job 00001, John Smith, spider catcher: now opened." in asked.content.decode()
    assert said(response) == [
        "Job 00002 is CANCELLED: it cannot become JOB COMPLETED.",
        "Job 00001 stands at job completed.",
    ]


def test_a_contradiction_is_shown_and_settled(admin):
    ours = JobFactory.create(
        statuses=("NEW", "OPENED", "JOB COMPLETED"), client_status="NEW", conflict="NEW"
    )
    theirs = JobFactory.create(
        statuses=("NEW", "OPENED", "JOB COMPLETED", "CLOSED"),
        client_status="OPENED",
        conflict="OPENED",
    )
    sentence = "The client&#x27;s database says NEW, here it is JOB COMPLETED."

    assert sentence in facts(admin.get(page_of(ours)))["attention"]
    admin.post(page_of(ours).replace("change/", "keep_ours/"))
    admin.post(page_of(theirs).replace("change/", "follow_the_client/"))

    ours.refresh_from_db()
    theirs.refresh_from_db()
    assert (ours.status, ours.conflict, ours.write_due) == ("JOB COMPLETED", "", True)
    assert (theirs.status, theirs.conflict) == ("OPENED", "")


def test_a_phone_is_corrected_and_one_that_cannot_be_is_refused(admin):
    job = JobFactory.create(phone="", phone_error="There is no phone number.", mobile="")
    page = page_of(job).replace("change/", "correct_phone/")

    assert admin.get(page).context["form"].initial == {"mobile": ""}
    refused = admin.post(page, {"mobile": "12"}, follow=True)
    admin.post(page, {"mobile": "0722 000 001"})

    assert len(said(refused)) == 1
    job.refresh_from_db()
    assert (job.phone, job.phone_error) == ("+254722000001", "")


def test_a_note_is_kept_with_who_wrote_it(admin, shopkeeper):
    job = JobFactory.create()

    admin.post(page_of(job).replace("change/", "add_note/"), {"text": "She calls back."})

    note = job.notes.get()
    assert (note.text, note.by) == ("She calls back.", shopkeeper)


@pytest.mark.parametrize(
    "words",
    [
        *("123", "00123", "workshop:123", "smith", "Smith John", "john smith", "sg13", "SG13 7TZ"),
        *("+447770 123456", "07770123456", "٠٧٧٧٠١٢٣٤٥٦", "SKU-9"),
    ],
)
def test_a_job_is_found_by_what_people_know_of_it(admin, words):
    found = JobFactory.create(key=123, product_sku="SKU-9")
    other = {
        "firstname": "Amina",
        "lastname": "Hassan",
        "postcode": "00100",
        "mobile": "0722000009",
    }
    JobFactory.create(key=4567, product_sku="LMP-4", **other)
    Job.objects.filter(key=4567).update(**looked_for(**other))

    assert listed(admin, f"{JOBS}?q={words.replace('+', '%2B')}") == [str(found)]


@pytest.mark.parametrize("words", ["elsewhere:123", "9" * 19, "9" * 30, "nobody", "%", "_mith"])
def test_what_is_nobody_s_finds_nothing(admin, words):
    JobFactory.create(key=123)

    assert listed(admin, f"{JOBS}?q={words.replace('%', '%25')}") == []


def test_what_needs_a_person_can_be_asked_for_alone(admin):
    JobFactory.create(key=1)
    JobFactory.create(key=2, conflict="Lost")
    JobFactory.create(key=3, phone="", phone_error="There is no phone number.")

    assert listed(admin, f"{JOBS}?attention=yes") == ["00003", "00002"]
    assert listed(admin, JOBS) == ["00003", "00002", "00001"]


def test_the_statements_of_the_list_do_not_grow(admin, django_assert_max_num_queries):
    JobFactory.create()
    with django_assert_max_num_queries(20) as first:
        admin.get(JOBS)
    JobFactory.create()
    JobFactory.create()
    with django_assert_max_num_queries(20) as third:
        admin.get(JOBS)

    assert len(first) == len(third)


def test_whoever_may_see_alone_moves_nothing(viewer, source):
    job = JobFactory.create(key=1)

    assert listed(viewer, JOBS) == ["00001"]
    assert "/complete_job/" not in viewer.get(page_of(job)).content.decode()
    assert viewer.post(page_of(job).replace("change/", "complete_job/"), {}).status_code == 403
    assert viewer.post(f"{JOBS}add/", {}).status_code == 403
    assert viewer.post(page_of(job).replace("change/", "delete/"), {}).status_code == 403
    job.refresh_from_db()
    assert job.status == "OPENED"


def test_saving_a_job_s_page_by_hand_changes_nothing(admin):
    job = JobFactory.create()
    inline = {f"notes-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS")}

    admin.post(page_of(job), {"status": "CLOSED", "mobile": "1", **inline})

    job.refresh_from_db()
    assert (job.status, job.mobile) == ("OPENED", "+447770 123456")


@pytest.mark.parametrize("key", ["abc", "0", "-1", "9" * 30, "%00", "1%2C1"])
@pytest.mark.parametrize("path", [JOBS, SOURCES, ASIDE])
def test_odd_keys_are_not_found(admin, path, key):
    answer = admin.get(f"{path}{key}/change/")

    # Django leads from a page that there is not to the start.
    assert answer.status_code in {302, 400, 404}
    assert admin.get(f"{JOBS}{key}/complete_job/").status_code in {302, 400, 404}
    assert admin.get(f"{SOURCES}{key}/collect_now/").status_code in {302, 400, 404}


@pytest.mark.parametrize("query", ["status=x", "attention=x", "source__id__exact=x", "o=99", "p=x"])
def test_odd_filters_are_not_an_error_of_ours(admin, query):
    JobFactory.create()

    assert admin.get(f"{JOBS}?{query}").status_code in {200, 302}


# Sources


def form(**changes):
    columns = {f"column_{name}": "" for name in GIVEN_COLUMNS}
    typed = {"active": "on", "table": "", "write_back": "unknown", "words": "", **columns}
    return typed | changes


GIVEN_COLUMNS = (
    *("job_id", "job_type", "job_status", "client_firstname", "client_lastname"),
    *("client_postcode", "client_mobile", "product_sku", "product_type"),
)


def test_how_a_source_is_read_is_changed(admin, source):
    first = admin.post(
        page_of(source),
        form(
            table="Repairs",
            write_back="false",
            column_job_id="id",
            words="In the shop = opened\n\n a=b = Closed \n",
        ),
    )

    assert first.status_code == 302, errors(first)
    source.refresh_from_db()
    assert (source.table, source.write_back, source.columns, source.statuses) == (
        "Repairs",
        False,
        {"job_id": "id"},
        {"In the shop": "OPENED", "a=b": "CLOSED"},
    )
    shown = admin.get(page_of(source)).context["adminform"].form
    assert shown["words"].value() == "a=b = CLOSED\nIn the shop = OPENED"
    assert shown["column_job_id"].value() == "id"
    assert shown.fields["column_client_mobile"].widget.attrs["placeholder"] == "phone"
    second = admin.post(page_of(source), form(active=""))
    assert second.status_code == 302, errors(second)
    source.refresh_from_db()
    assert (source.active, source.table, source.columns, source.statuses) == (False, "", {}, {})
    assert source.write_back is None


def test_what_is_no_mapping_is_refused_at_its_field(admin, source):
    wrong = admin.post(page_of(source), form(words="Ready"))
    unknown = admin.post(page_of(source), form(words="Ready = done"))
    twice = admin.post(page_of(source), form(column_job_id="x", column_job_type="X"))
    beside = admin.post(page_of(source), form(column_job_type="phone"))
    both = admin.post(page_of(source), form(words="Ready = CLOSED\nREADY = OPENED"))

    known = "NEW, OPENED, JOB COMPLETED, CLOSED, CANCELLED"
    assert errors(wrong) == {"words": [f"Write a word = one of {known}: 'Ready'."]}
    assert errors(unknown) == {"words": [f"Write a word = one of {known}: 'Ready = done'."]}
    assert errors(twice) == {"column_job_type": ["job_id and job_type would both be called X."]}
    assert errors(beside) == {
        "column_job_type": ["job_type and client_mobile would both be called phone."]
    }
    assert errors(both) == {"words": ["READY would mean two things: capitals do not matter."]}
    source.refresh_from_db()
    assert (source.statuses, source.columns) == ({}, {})


@pytest.fixture
def now(monkeypatch):
    now = timezone.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    return now


NEVER = "Nothing was taken in completely yet"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("Taking in what was there", NEVER, "Not begun")),
        (
            {"baseline_to": 90, "baseline_after": 40, "ago": 60},
            ("Taking in what was there", "60 s", "Job 40 of 90"),
        ),
        (
            {"baseline_to": 90, "baselined": True, "ago": 7200, "failures": 3},
            ("Failing", "2\xa0hours", "Taken in at NOW, up to job 90"),
        ),
        ({"baselined": True, "ago": 3}, ("Up", "3 s", "Taken in at NOW, up to job 0")),
        ({"active": False}, ("Not collected from", NEVER, "Not begun")),
        ({"name": "gone"}, ("Not in the settings", NEVER, "Not begun")),
    ],
)
def test_a_source_s_page_says_how_it_does(admin, now, changes, expected):
    given = dict(changes)
    ago, baselined = given.pop("ago", None), given.pop("baselined", False)
    source = SourceFactory.create(
        **given,
        complete_at=None if ago is None else now - timedelta(seconds=ago),
        baselined_at=now if baselined else None,
    )

    shown = facts(admin.get(page_of(source)))

    with timezone.override("Africa/Nairobi"):
        at = as_shown(now)
    assert (shown["state_shown"], shown["lag"], shown["baseline"].replace(at, "NOW")) == expected
    assert admin.get(SOURCES).status_code == 200


def test_findings_and_rows_set_aside_are_told_and_linked(admin, source):
    for key, resolved in (("x", None), ("y", None), ("z", timezone.now())):
        Aside.objects.create(
            source=source, key=key, reason="bad_key", detail="No number.", resolved_at=resolved
        )
    Source.objects.update(
        collected=5,
        findings=[
            {"code": "slow", "detail": "It <answers> slowly."},
            {"code": "x", "detail": "Y."},
        ],
    )

    shown = facts(admin.get(page_of(source)))

    assert shown["findings_shown"] == "<p>It &lt;answers&gt; slowly.</p><p>Y.</p>"
    assert ">2 rows<" in shown["aside_link"]
    assert ">5 jobs<" in shown["collected_link"]
    query = f"?source__id__exact={source.pk}&resolved_at__isempty=1"
    assert query.replace("&", "&amp;") in shown["aside_link"]
    assert listed(admin, f"{ASIDE}{query}") == ["y", "x"]
    Source.objects.update(findings=[])
    assert facts(admin.get(page_of(source)))["findings_shown"] == "All is as it should be"
    Source.objects.update(findings=None)
    assert facts(admin.get(page_of(source)))["findings_shown"] == "Never tested"


def test_the_connection_is_tested_and_what_is_wrong_is_said(admin, source):
    page = page_of(source).replace("change/", "test_the_connection/")

    asked = admin.get(page)
    response = admin.post(page, follow=True)

    assert asked.context["title"] == "Test the connection: workshop"
    assert "workshop: taking in what was there." in asked.content.decode()
    [sentence] = said(response)
    source.refresh_from_db()
    assert [each["code"] for each in source.findings] == ["unreachable"]
    assert sentence == f"workshop: {source.findings[0]['detail']}"


def test_a_connection_without_fault_is_said_to_be_so(admin, sqlite_table):
    source = Source.objects.get()

    response = admin.post(page_of(source).replace("change/", "test_the_connection/"), follow=True)

    assert said(response) == ["workshop: all is as it should be."]


def test_collecting_is_asked_of_a_worker(admin, source, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        response = admin.post(page_of(source).replace("change/", "collect_now/"), follow=True)

    assert said(response) == ["workshop: a worker collects from it now."]
    task = DBTaskResult.objects.get()
    assert task.task_path == "repairs.tasks.collect_source"


def test_one_that_the_settings_name_no_more_offers_nothing_and_is_refused(admin):
    source = SourceFactory.create(name="gone")

    text = admin.get(page_of(source)).content.decode()
    response = admin.post(page_of(source).replace("change/", "test_the_connection/"), follow=True)

    assert "/collect_now/" not in text
    assert "/test_the_connection/" not in text
    assert len(said(response)) == 1
    assert "REPAIR_SOURCES names no gone" in said(response)[0]


def test_whoever_waits_for_its_jobs_sees_how_a_source_does_and_changes_nothing(viewer, source):
    response = viewer.get(page_of(source))

    assert response.status_code == 200
    assert facts(response)["table_shown"] == "Jobs"
    assert "collect_now" not in response.content.decode()
    for path in ("change/", "collect_now/", "test_the_connection/"):
        assert viewer.post(page_of(source).replace("change/", path), form()).status_code == 403
    assert listed(viewer, SOURCES) == ["workshop"]
    gone = SourceFactory.create(name="gone", table="Old", write_back=False)
    assert facts(viewer.get(page_of(gone)))["table_shown"] == "Old"


def test_the_address_and_its_password_stand_nowhere(admin, source, settings):
    settings.REPAIR_SOURCES = {
        "workshop": GIVEN | {"url": "mysql+pymysql://duka:verysecret@127.0.0.1:1/client"}
    }

    tested = admin.post(page_of(source).replace("change/", "test_the_connection/"), follow=True)

    for answer in (tested, admin.get(page_of(source)), admin.get(SOURCES)):
        assert "verysecret" not in answer.content.decode()


# Rows set aside


def test_a_row_set_aside_shows_what_stood_there_and_is_not_typed_in(admin, source):
    aside = Aside.objects.create(
        source=source,
        key="x1",
        reason="bad_key",
        detail="x1 is no number.",
        row={"job_id": "x1", "job_type": "<b>"},
    )

    response = admin.get(page_of(aside))

    assert facts(response)["row_shown"] == "<p>job_id: x1</p><p>job_type: &lt;b&gt;</p>"
    assert admin.post(page_of(aside), {"key": "y"}).status_code == 403
    assert admin.post(page_of(aside).replace("change/", "delete/")).status_code == 403
    assert listed(admin, f"{ASIDE}?q=x") == ["x1"]
    Aside.objects.update(row=["odd"])
    assert facts(admin.get(page_of(aside)))["row_shown"] == ""


def test_shoppers_and_other_staff_see_none_of_it(source):
    aside = Aside.objects.create(source=source, key="x", reason="bad_key", detail="No number.")
    job = JobFactory.create()
    other = browser_of(StaffFactory.create(permissions=["orders.view_order"]))

    for path in (JOBS, SOURCES, ASIDE, page_of(aside), page_of(job), page_of(source)):
        assert other.get(path).status_code == 403
