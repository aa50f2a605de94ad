"""What a worker does with an upload, in each mode; claims, and who loses them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from catalog.models import StockMovement
from core.tests.races import at_once
from customers.models import Customer
from uploads.exceptions import ClaimLost, MoveNotAllowed
from uploads.models import Upload, UploadChunk, UploadKey, UploadRow
from uploads.services import (
    apply_upload,
    cancel_upload,
    claim_upload,
    remove_old_uploads,
    run_due_upload,
    running,
)
from uploads.states import ALLOWED, UploadStatus

from .factories import counts, csv_of, errors, outcomes, run_all, upload_of, uploaded

pytestmark = pytest.mark.django_db

GOOD = {"code": "A", "name": "Amina", "phone": "0722 000 001"}
BAD = {"code": "B", "name": "Baraka", "phone": "12"}
LAST = {"code": "C", "name": "Chausiku", "phone": "0722 000 003"}
FILE = csv_of(GOOD, BAD, LAST)
PHONE = (3, "phone", "impossible_phone")


def codes():
    return list(Customer.objects.order_by("code").values_list("code", flat=True))


@pytest.mark.parametrize(
    ("mode", "status", "taken_in", "counted", "seen"),
    [
        ("stop_at_first_error", "failed", ["A"], (1, 0, 0, 1), ["created", "failed", "pending"]),
        ("skip_bad_rows", "done", ["A", "C"], (2, 0, 0, 1), ["created", "failed", "created"]),
        ("all_or_nothing", "failed", [], (2, 0, 0, 1), ["created", "failed", "created"]),
    ],
)
def test_a_bad_row_does_what_the_mode_says(mode, status, taken_in, counted, seen):
    upload = uploaded(FILE, mode=mode)

    assert (upload.status, codes(), counts(upload)) == (status, taken_in, counted)
    assert outcomes(upload) == list(zip([2, 3, 4], seen, strict=True))
    assert errors(upload) == [PHONE]
    assert upload.phase == ("checking" if mode == "all_or_nothing" else "writing")
    if mode == "stop_at_first_error":
        assert upload.error.startswith("Row 3: phone: This is not a phone number. ")


@pytest.mark.parametrize("mode", ["stop_at_first_error", "skip_bad_rows", "all_or_nothing"])
def test_a_dry_run_looks_at_all_rows_and_writes_nothing_else(mode):
    upload = uploaded(FILE, mode=mode, dry_run=True)

    assert (upload.status, codes(), counts(upload)) == ("checked", [], (2, 0, 0, 1))
    assert errors(upload) == [PHONE]
    assert UploadRow.objects.get(upload=upload, number=2).changes == {
        "code": [None, "A"],
        "name": [None, "Amina"],
        "phone": [None, "+254722000001"],
    }


def test_a_dry_run_is_applied_once_and_counts_anew():
    upload = uploaded(FILE, mode="skip_bad_rows", dry_run=True)

    apply_upload(upload_id=upload.pk, by=None)
    with pytest.raises(MoveNotAllowed):
        apply_upload(upload_id=upload.pk, by=None)
    run_all()

    upload.refresh_from_db()
    assert (upload.status, codes(), counts(upload)) == ("done", ["A", "C"], (2, 0, 0, 1))
    with pytest.raises(MoveNotAllowed):
        apply_upload(upload_id=upload.pk, by=None)


def test_what_stopped_goes_on_at_the_bad_row_once_its_reason_is_gone():
    lines = [GOOD | {"code": ""}, LAST]
    other = uploaded(csv_of(GOOD | {"code": "OLD", "name": "Old"}))
    upload = uploaded(csv_of(*lines))
    assert (upload.status, errors(upload)) == ("failed", [(2, "code", "exists")])

    Customer.objects.get(code="OLD").delete()
    apply_upload(upload_id=upload.pk, by=None)
    run_all()

    upload.refresh_from_db()
    assert (other.status, upload.status, counts(upload)) == ("done", "done", (2, 0, 0, 0))
    assert (upload.rows_done, errors(upload)) == (2, [])


def test_all_or_nothing_that_fails_while_it_writes_writes_nothing(monkeypatch):
    upload = upload_of(csv_of(GOOD, LAST), mode="all_or_nothing")
    # Somebody gives the code away between the check and the writing.
    finish = running._finish_phase

    def meanwhile(upload):
        if upload.phase == "checking":
            Customer.objects.create(code="X", name="X", phone="+254722000003")
            UploadRow.objects.filter(upload=upload, number=3).update(
                data={"name": "Another", "phone": LAST["phone"]}
            )
        finish(upload)

    monkeypatch.setattr(running, "_finish_phase", meanwhile)
    run_all()

    upload.refresh_from_db()
    assert (upload.status, codes(), counts(upload)) == ("failed", ["X"], (0, 0, 0, 1))
    assert errors(upload) == [(3, "code", "exists")]
    assert upload.error.endswith("Nothing was written.")


def test_the_same_thing_twice_in_a_file_is_an_error_across_batches_too(monkeypatch):
    monkeypatch.setattr(running, "CHECKED_AT_ONCE", 1)
    for dry_run in (True, False):
        upload = uploaded(csv_of(GOOD, LAST, GOOD), mode="skip_bad_rows", dry_run=dry_run)

        assert counts(upload) == (2, 0, 0, 1)
        assert errors(upload) == [(4, "code", "duplicate")]


def test_a_cancelled_upload_keeps_what_it_wrote_and_goes_on_when_it_is_applied(monkeypatch):
    monkeypatch.setattr(running.KINDS["customers"], "written_at_once", 1)
    upload = upload_of(csv_of(GOOD, LAST))
    run_due_upload(seconds=0)  # reads the file
    run_due_upload(seconds=0)  # takes one row in

    cancel_upload(upload_id=upload.pk)
    run_all()
    assert codes() == ["A"]
    apply_upload(upload_id=upload.pk, by=None)
    run_all()

    upload.refresh_from_db()
    assert (upload.status, codes(), counts(upload)) == ("done", ["A", "C"], (2, 0, 0, 0))


def test_a_worker_whose_claim_is_gone_writes_nothing():
    upload_of(csv_of(GOOD))
    slow = claim_upload()
    Upload.objects.update(due_at=timezone.now())
    quick = claim_upload()
    assert (slow.pk, claim_upload()) == (quick.pk, None)

    with pytest.raises(ClaimLost):
        running._step(slow)
    assert UploadRow.objects.count() == 0
    running._work_on(quick, until=float("inf"))

    assert (Upload.objects.get().status, codes()) == ("done", ["A"])


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_gets_it():
    upload_of(csv_of(GOOD))

    assert sum(claimed is not None for claimed in at_once([claim_upload] * 8)) == 1


def test_what_kills_each_worker_is_given_up(monkeypatch):
    upload = upload_of(csv_of(GOOD))
    monkeypatch.setattr(running, "_step", lambda upload: 1 / 0)
    for _ in range(6):
        Upload.objects.update(due_at=timezone.now())
        assert run_due_upload(seconds=60)

    upload.refresh_from_db()
    assert (upload.status, upload.error_code) == ("failed", "gave_up")
    assert not run_due_upload(seconds=60)


def test_a_file_that_goes_wrong_further_down_fails_whole():
    lines = b"A,Amina,0722000001\n" * 20_000
    upload = uploaded(b"code,name,phone\n" + lines + b"B,Ba\xffraka,0722000002\n")

    assert (upload.status, upload.error_code, codes()) == ("failed", "encoding", [])
    assert (UploadRow.objects.count(), UploadChunk.objects.count()) == (0, 0)
    with pytest.raises(MoveNotAllowed):
        apply_upload(upload_id=upload.pk, by=None)


def test_more_rows_than_allowed_are_refused(settings):
    settings.UPLOAD_MAX_ROWS = 2

    assert uploaded(FILE).error_code == "too_many_rows"


def test_old_uploads_go_with_all_that_they_kept(settings):
    old, new = uploaded(FILE), uploaded(FILE)
    waiting = upload_of(FILE)
    Upload.objects.filter(pk__in=[old.pk, waiting.pk]).update(
        ended_at=timezone.now() - timedelta(days=settings.UPLOAD_KEEP_DAYS, minutes=1)
    )

    assert remove_old_uploads() == 1
    assert set(Upload.objects.values_list("pk", flat=True)) == {new.pk, waiting.pk}
    assert set(UploadRow.objects.values_list("upload", flat=True)) == {new.pk}
    assert set(UploadKey.objects.values_list("upload", flat=True)) <= {new.pk}
    assert StockMovement.objects.count() == 0


@pytest.mark.parametrize("status", UploadStatus)
def test_every_status_says_what_may_follow(status):
    assert status.allowed == ALLOWED[status]
    assert status.is_over == (status not in {"queued", "running"})
