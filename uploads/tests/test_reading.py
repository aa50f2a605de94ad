"""Files of all sorts: what is read of them, and what is said of those that cannot be."""

import io
import zipfile
from datetime import date, datetime

import pytest
from openpyxl import load_workbook

from uploads.exceptions import UnreadableFile
from uploads.services.files.reading import format_of, read_rows
from uploads.services.files.writing import write_rows

from .factories import json_of, xlsx_of

COLUMNS = ("code", "name", "phone")


def rows_of(content, name="", required=()):
    format_ = format_of(name, content[:4096])
    return list(read_rows(io.BytesIO(content), format_, COLUMNS, required))


def refused(content, name="", required=()):
    """Return the code and the sentence with which a file is refused."""
    with pytest.raises(UnreadableFile) as raised:
        rows_of(content, name, required)
    return raised.value.errors[0].code, raised.value.errors[0].detail


@pytest.mark.parametrize(
    "content",
    [
        b"code,name\nA,Amina\n",
        b"\xef\xbb\xbfcode,name\r\nA,Amina\r\n",
        b"code;name\nA;Amina",
        b"code\tname\nA\tAmina",
        b"Code , NAME\nA,Amina\n,\n\n",
        json_of({"code": "A", "name": "Amina", "phone": None}),
        b"\xef\xbb\xbf" + json_of({"code": "A", "name": "Amina", "phone": " "}),
        xlsx_of(("code", "name"), ("A", "Amina"), (None, None)),
    ],
    ids=["comma", "bom", "semicolon", "tab", "untidy", "json", "json-bom", "xlsx"],
)
def test_the_same_table_is_read_from_every_form(content):
    first = 1 if content.lstrip(b"\xef\xbb\xbf").startswith(b"[") else 2
    assert rows_of(content) == [(first, {"code": "A", "name": "Amina"})]


def test_a_cell_may_have_several_lines_and_rows_are_numbered_as_a_spreadsheet_does():
    content = b'code,name\nA,"Amina\nHassan, ""Mama"""\n\nB,Baraka\n'

    assert rows_of(content) == [
        (2, {"code": "A", "name": 'Amina\nHassan, "Mama"'}),
        (4, {"code": "B", "name": "Baraka"}),
    ]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (722000000, "722000000"),
        (254722000000.0, "254722000000"),
        (12.5, "12.5"),
        (True, "true"),
        (datetime(2026, 11, 21, 8, 30), "2026-11-21T08:30:00"),
        (date(2026, 11, 21), "2026-11-21"),
        ("_x0041_", "A"),
        ("'=1+1", "=1+1"),
    ],
)
def test_a_sheet_s_cell_is_read_as_people_see_it(cell, text):
    assert rows_of(xlsx_of(("name",), (cell,))) == [(2, {"name": text})]


def test_a_formula_is_read_as_its_value_of_which_a_file_never_opened_has_none():
    assert rows_of(xlsx_of(("code", "name"), ("A", "=1+1"))) == [(2, {"code": "A"})]


@pytest.mark.parametrize(
    ("content", "name", "code", "detail"),
    [
        (b"", "", "empty", "The file is empty."),
        (b"\n \n", "", "empty", "The file is empty."),
        (b"code,name\n", "", "empty", "There are no rows in the file."),
        (b"[]", "", "empty", "There are no rows in the file."),
        (b"code,nmae\nA,B", "", "unknown_column", "There is no column nmae. Known: code, name, phone."),
        (b"code,code\nA,B", "", "duplicate_column", "The column code stands twice."),
        (b"code,name\nA,B,C", "", "too_many_cells", "Row 2 has more cells than the header."),
        (b"code,,name\nA,B,C", "", "unknown_column", "Column 2 has no name."),
        ("name\nÅsa".encode("utf-16"), "", "encoding", "The file is not in UTF-8."),
        ("name\nÅsa".encode("latin-1"), "", "encoding", "The file is not in UTF-8."),
        (b'name\n"Amina', "", "malformed", "This is not CSV: unexpected end of data."),
        (b"name\n" + b"a" * 40_000, "", "cell_too_long", "Row 2: name is longer than 32767 characters."),
        (b"name\n" + b"a" * 2_000_000, "", "malformed", "A line is longer than 1000000 characters."),
        (b"name\nA\x00", "", "wrong_format", "This is neither CSV nor XLSX nor JSON."),
        (b"name\n" + b"A\n" * 4000 + b"\x00", "", "not_text", "Row 4002: name has characters that are none."),
        (b"%PDF-1.7", "", "wrong_format", "This is neither CSV nor XLSX nor JSON."),
        (b"\xd0\xcf\x11\xe0", "old.xls", "wrong_format", "This is an old Excel file"),
        (b"name\nA", "a.xlsx", "wrong_format", "The file is called .xlsx, but what is in it is CSV."),
        (b"PK\x03\x04", "", "malformed", "This is not a whole XLSX file."),
        (b'{"name": "A"}', "", "malformed", "The file must be an array of objects"),
        (b'["A"]', "", "malformed", "The file must be an array of objects"),
        (b'[["A"]]', "", "malformed", "The file must be an array of objects"),
        (b'[{"name": ["A"]}]', "", "malformed", "Row 1: name must be a plain value."),
        (b'[{"nmae": "A"}]', "", "unknown_column", "Row 1: there is no field 'nmae'."),
        (b'[{"name": "A"', "", "malformed", "This is not JSON"),
        (b'[{"name": "\\u0000"}]', "", "not_text", "Row 1: name has characters that are none."),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_told_what_is_wrong(content, name, code, detail):
    said = refused(content, name)

    assert said[0] == code, said
    assert said[1].startswith(detail)


def test_missing_columns_are_named():
    assert refused(b"code\nA", required=("name", "phone")) == (
        "missing_column",
        "The column name is missing.",
    )


def test_a_csv_file_may_begin_as_json_does():
    assert format_of("a.csv", b"[code],name") == "csv"


def zipped(**parts):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/"), content)
    return file.getvalue()


def with_part(name, content):
    """Return a workbook with one part replaced."""
    parts = {}
    with zipfile.ZipFile(io.BytesIO(xlsx_of(("name",), ("A",)))) as archive:
        parts = {each: archive.read(each) for each in archive.namelist()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, old in {**parts, name: content}.items():
            archive.writestr(each, old if each != name else content)
    return file.getvalue()


SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    "<sheetData>{}</sheetData></worksheet>"
)
NAME = '<c r="A1" t="inlineStr"><is><t>name</t></is></c>'


def test_a_zip_bomb_is_refused_before_it_is_unpacked():
    bomb = with_part("xl/sharedStrings.xml", b" " * 60_000_000)

    assert len(bomb) < 100_000
    assert refused(bomb)[0] == "too_large"


def test_a_workbook_whose_lists_and_styles_would_fill_the_memory_is_refused():
    assert refused(with_part("xl/styles.xml", b"<a/>" * 1_300_000))[0] == "too_large"


@pytest.mark.parametrize(
    "row",
    [b"<c/>" * 100_001, b"<c>" + b"x" * 16_000_000, b"</row><x:row>" + b"<c/>" * 100_001],
    ids=["cells", "text", "later"],
)
def test_a_row_that_would_fill_the_memory_is_refused_before_it_is_read(row):
    bomb = with_part("xl/worksheets/sheet1.xml", b"<worksheet><sheetData><row>" + row)

    assert refused(bomb) == ("too_large", "A row of the sheet is too long.")


def test_many_rows_together_may_be_longer_than_one():
    rows = (b'<row><c t="inlineStr"><is><t>' + b"x" * 200 + b"</t></is></c></row>") * 90_000
    head = SHEET.format(f"<row>{NAME}</row>#").encode()

    assert len(rows) > 16_000_000
    read = rows_of(with_part("xl/worksheets/sheet1.xml", head.replace(b"#", rows)))
    assert len(read) == 90_000


@pytest.mark.parametrize("before", [0, 63_000, 65_500])
@pytest.mark.parametrize("digits", [4001, 70_000])
def test_a_number_without_end_is_refused_wherever_the_file_is_cut(before, digits):
    number = b'[{"name":' + b" " * before + b"9" * digits + b"}]"

    assert refused(number) == ("malformed", "A number has over 4000 digits.")


def test_a_number_that_is_cut_in_two_is_read_whole():
    number = b'[{"name":' + b" " * 65_500 + b"9" * 4000 + b',"code":' + b"7" * 3000 + b"}]"

    assert rows_of(number) == [(1, {"name": "9" * 4000, "code": "7" * 3000})]


def test_a_zip_that_is_no_workbook_is_refused():
    assert refused(zipped(**{"a.txt": "A"})) == ("wrong_format", "This is not an XLSX file.")


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        (f'<row r="1">{NAME}</row><row r="999999999999"><c r="A9"><v>1</v></c></row>', "too_many_rows"),
        (f'<row r="1">{NAME}</row><row r="2"><c r="A2"><v>1</v></c>', "malformed"),
        ("<x/>" * 10, "missing_column"),
    ],
    ids=["far-away", "torn", "empty"],
)  # fmt: skip
def test_a_sheet_made_to_hurt_is_refused(rows, code):
    assert (
        refused(with_part("xl/worksheets/sheet1.xml", SHEET.format(rows)), required=("name",))[0]
        == code
    )


def test_entities_that_grow_are_refused():
    laughs = "".join(
        f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha" * 1000}">' for n in range(8)
    )
    sheet = f"<!DOCTYPE x [{laughs}]>" + SHEET.format(
        '<row r="1"><c t="inlineStr"><is><t>&l7;</t></is></c></row>'
    )

    assert refused(with_part("xl/worksheets/sheet1.xml", sheet))[0] == "malformed"


@pytest.mark.parametrize("format_", ["csv", "xlsx", "json"])
@pytest.mark.parametrize(
    "text",
    ["=1+1", "+254", "-5", "@SUM(A1)", "'=1+1", "''+x", "'", "it's", "_x0041_", "a\x0bb", "ä ✓"],
)
def test_what_is_written_is_read_again(format_, text):
    content = b"".join(write_rows(format_, COLUMNS, [{"name": text, "code": None}]))

    assert [data for _, data in rows_of(content)] == [{"name": text}]


@pytest.mark.parametrize("text", ["=1+1", "+254", "-5", "@SUM(A1)", "\tx", "'=1+1"])
def test_a_spreadsheet_runs_nothing_of_what_is_exported(text):
    written = {
        format_: b"".join(write_rows(format_, ("name",), [{"name": text}]))
        for format_ in ("csv", "xlsx")
    }

    assert written["csv"].decode() == f"\ufeffname\r\n'{text}\r\n"
    sheet = load_workbook(io.BytesIO(written["xlsx"])).active
    assert (sheet["A2"].data_type, sheet["A2"].value) == ("s", f"'{text}")
