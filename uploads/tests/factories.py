"""Files, and uploads of them as far as a test wants them."""

import csv
import io
import json

from openpyxl import Workbook

from uploads.models import Upload, UploadRow
from uploads.services import create_upload, run_due_upload


def csv_of(*rows, columns=None, delimiter=","):
    """Return a CSV file of these rows, each a dict or already a line."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def json_of(*rows):
    return json.dumps(rows).encode()


def xlsx_of(*rows):
    """Return a workbook of these rows; the first names the columns."""
    book = Workbook()
    for row in rows:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def upload_of(content, kind="customers", *, name="", **fields):
    """Keep a file; no worker has seen it."""
    return create_upload(kind=kind, file=io.BytesIO(content), name=name, **{"by": None, **fields})


def uploaded(content, kind="customers", **fields):
    """Take a file in, as a worker does, and return what became of it."""
    upload = upload_of(content, kind, **fields)
    run_all()
    return Upload.objects.get(pk=upload.pk)


def run_all():
    while run_due_upload(seconds=60):
        pass


def counts(upload):
    """Return (created, changed, unchanged, failed)."""
    return upload.created, upload.changed, upload.unchanged, upload.failed


def errors(upload):
    """Return (row, column, code) of each error."""
    return [
        (row.number, each["field"], each["code"])
        for row in UploadRow.objects.filter(upload=upload).order_by("number")
        for each in row.errors
    ]


def outcomes(upload):
    return list(
        UploadRow.objects.filter(upload=upload).order_by("number").values_list("number", "outcome")
    )
