"""`manage.py upload` and `manage.py export`, and how much memory a large file takes."""

import sys

import pytest
from django.core.management import CommandError, call_command

from customers.models import Customer
from tests.processes import spawn
from uploads.models import Upload

from .factories import csv_of

GOOD = {"code": "A", "name": "Amina", "phone": "0722 000 001"}
BAD = {"code": "B", "name": "Baraka", "phone": "12"}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "customers.csv"
    path.write_bytes(csv_of(GOOD, BAD))
    return path


@pytest.mark.django_db
def test_a_dry_run_prints_what_would_change_and_what_is_wrong(file, capsys):
    with pytest.raises(CommandError) as raised:
        call_command("upload", "customers", file, dry_run=True)

    out, err = capsys.readouterr()
    assert out.splitlines()[0].startswith("Row 2: created A. ")
    assert "name: None → 'Amina'" in out
    assert out.splitlines()[-1] == "Checked: 1 created, 0 changed, 0 unchanged, 1 failed."
    assert "Row 3, phone: This is not a phone number." in err
    assert raised.value.returncode == 2
    assert not Customer.objects.exists()


@pytest.mark.django_db
def test_the_exit_status_says_whether_all_went_in(file):
    with pytest.raises(CommandError) as stopped:
        call_command("upload", "customers", file)
    with pytest.raises(CommandError) as skipped:
        call_command("upload", "customers", file, mode="skip_bad_rows")
    file.write_bytes(csv_of(GOOD))
    call_command("upload", "customers", file)

    assert (stopped.value.returncode, skipped.value.returncode) == (1, 2)
    assert str(stopped.value).startswith("Row 3: ")


@pytest.mark.django_db
def test_what_cannot_be_read_or_written_is_told(tmp_path):
    for call in (
        ("upload", "customers", tmp_path / "none.csv"),
        ("export", "customers", tmp_path / "none" / "a.csv"),
        ("export", "customers", tmp_path / "a.pdf"),
    ):
        with pytest.raises(CommandError, match=r"cannot be|must end"):
            call_command(*call)
    (tmp_path / "a.csv").write_bytes(b"nmae\nA")
    with pytest.raises(CommandError, match="no column nmae"):
        call_command("upload", "customers", tmp_path / "a.csv")


@pytest.mark.django_db
@pytest.mark.parametrize("ending", ["csv", "xlsx", "json"])
def test_an_export_is_written_for_its_owner_alone_and_taken_back(file, tmp_path, ending):
    file.write_bytes(csv_of(GOOD))
    call_command("upload", "customers", file)
    out = tmp_path / f"out.{ending}"

    call_command("export", "customers", out)
    call_command("upload", "customers", out)

    assert out.stat().st_mode & 0o777 == 0o600
    assert Upload.objects.latest("pk").unchanged == 1


MEASURED = """
import resource, sys
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", *sys.argv[1:]])
print("MB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_large_file_takes_no_more_memory_than_a_small_one(tmp_path):
    def megabytes(number, first):
        path = tmp_path / "customers.csv"
        with path.open("w") as file:
            file.write("code,name,phone,email\n")
            file.writelines(
                f"K{n},Customer {n},07{22000000 + n},c{n}@example.com\n"
                for n in range(first, first + number)
            )
        with spawn(sys.executable, "-c", MEASURED, "upload", "customers", str(path)) as process:
            assert process.process.wait(300) == 0, process.log()
            return int(process.log().rpartition("MB ")[2])

    small, large = megabytes(1000, 0), megabytes(20_000, 1000)

    assert Customer.objects.count() == 21_000
    assert large < small + 25
