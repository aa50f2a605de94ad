"""CSV files in: what their columns become, and rows that cannot be read."""

import gzip
import json

import pytest

from conversations.exceptions import BadMapping
from conversations.models import Interaction, RejectedLine
from conversations.services import import_file, importing, read_mapping
from conversations.services.files import KEPT, LONGEST
from customers.tests.factories import CustomerFactory

from .factories import EngagementFactory

ENGAGEMENT = "5f18d12f42262eec0d435583"
MAPPING = {
    "engagementId": {"value": ENGAGEMENT},
    "interactionDate": {
        "column": "Date",
        "format": "%d/%m/%Y %H:%M",
        "timezone": "Africa/Nairobi",
    },
    "agentName": "Agent",
    "sentiment": "Mood",
    "sourceId": "Ticket",
    "custom": {
        "csvName": {"value": "report.csv"},
        "text": "Message",
        "score": {"column": "Score", "type": "number"},
    },
}
MIXED = (
    "new-line character seen in unquoted field - do you need to open the file in"
    " universal-newline mode?"
)
HEADER = "Ticket,Date,Agent,Mood,Message,Score,Shop"
ROW = 'T-1,16/05/2020 15:00,John Ford,Negative,"He said ""no"", twice.",4.50,Nairobi'


@pytest.fixture
def engagement(db):
    return EngagementFactory.create(id=ENGAGEMENT)


@pytest.fixture
def take(tmp_path, engagement):
    """`take(content)`: import that as CSV."""

    def run(content, mapping=MAPPING, name="report.csv", engagement_id="", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        read = read_mapping(json.dumps(mapping), **options)
        return import_file(path=path, mapping=read, engagement_id=engagement_id)

    return run


def counts(done):
    return (done.created, done.unchanged, done.rejected)


def refused():
    return [
        (row.number, bytes(row.content), row.errors[0]["pointer"], row.errors[0]["detail"])
        for row in RejectedLine.objects.order_by("number")
    ]


def test_a_row_becomes_a_document(take):
    assert counts(take(f"{HEADER}\n{ROW}\n")) == (1, 0, 0)

    stored = Interaction.objects.get()
    assert stored.document == (
        f'{{"_id":{{"$oid":"{stored.pk}"}},"engagementId":{{"$oid": "{ENGAGEMENT}"}},'
        '"interactionDate":{"$date":1589630400000},"agentName":"John Ford","sentiment":"Negative",'
        '"custom":{"csvName":"report.csv","text":"He said \\"no\\", twice.","score":4.50}}'
    )
    assert (stored.source_id, stored.agent_name, stored.sentiment) == (
        "T-1",
        "John Ford",
        "Negative",
    )


def test_all_other_columns_go_into_custom_by_their_names(take):
    take(f"{HEADER}\n{ROW}\n", {**MAPPING, "custom": {"text": "Message"}, "rest": True})
    custom = json.loads(Interaction.objects.get().document)["custom"]
    assert list(custom.items()) == [
        ("text", 'He said "no", twice.'),
        ("Score", "4.50"),
        ("Shop", "Nairobi"),
    ]


def test_ids_links_and_dates_come_from_columns_as_well(take):
    CustomerFactory.create(code="WANJIRU")
    mapping = {
        "_id": "Id",
        "engagementId": "Engagement",
        "interactionDate": "When",
        "customer": "Customer",
        "custom": {"due": {"column": "Due", "type": "date", "format": "%Y-%m-%d"}},
    }
    header = "Id,Engagement,When,Customer,Due\n"
    row = f"5f18d12f42262eec0d43567d,{ENGAGEMENT},2020-05-16T12:00:00Z,WANJIRU,2020-05-17\n"
    empty = f",{ENGAGEMENT},2020-05-16 15:00,,\n"

    assert counts(take(header + row + empty, mapping)) == (2, 0, 0)

    first, second = Interaction.objects.order_by("pk")
    assert (first.pk, first.customer.code) == ("5f18d12f42262eec0d43567d", "WANJIRU")
    # Midnight in Nairobi, which is the shop's own time.
    assert json.loads(first.document)["custom"] == {"due": {"$date": 1589662800000}}
    assert first.interaction_date == second.interaction_date
    assert second.customer is None
    assert json.loads(second.document)["custom"] == {}


@pytest.mark.parametrize(
    "how",
    [
        (gzip.compress, "utf-8", {}),
        (bytes, "utf-8-sig", {}),
        (bytes, "utf-8-sig", {"encoding": "utf-8"}),
        (bytes, "cp1252", {"encoding": "cp1252"}),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_encodings_delimiters_and_line_ends(take, how, end, sign):
    pack, encoding, options = how
    header, row = HEADER.replace(",", sign), ROW.replace("no", "café").replace(",", sign)
    content = pack(f"{header}{end}{end}{row}{end}".encode(encoding))
    # Those that are usual are found out.
    delimiter = sign if sign == "|" else ""
    assert counts(take(content, delimiter=delimiter, **options)) == (1, 0, 0)
    custom = json.loads(Interaction.objects.get().document)["custom"]
    assert custom["text"] == f'He said "café"{sign} twice.'


def test_cells_of_several_lines(take):
    take(f'{HEADER}\r\nT-1,16/05/2020 15:00,J,N,"one\r\n\r\ntwo",1,\r\n{ROW.replace("T-1", "T-2")}')
    texts = [
        json.loads(each.document)["custom"]["text"]
        for each in Interaction.objects.order_by("source_id")
    ]
    assert texts == ["one\r\n\r\ntwo", 'He said "no", twice.']


def test_rows_that_cannot_be_read_are_set_aside_as_they_came(take):
    rows = [
        b"T-1,16/05/2020 15:00,J,N,x,1",
        b"T-2,16/05/2020 15:00,J,N,x,1,Nairobi,more",
        b"T-3,2020-05-16,J,N,x,1,Nairobi",
        b'T-4,16/05/2020 15:00,J,N,"several\nlines",many,Nairobi',
        b"T-5,16/05/2020 15:00,J,N,\xff,1,Nairobi",
        b'T-6,16/05/2020 15:00,J,N,"x"y,1,Nairobi',
        b"T-7,,J,N,x,1,Nairobi",
        b"T-8,16/05/2020 15:00," + b"J" * 201 + b",N,x,1,Nairobi",
        b"T-9,16/05/2020 15:00,J,N,x,1,Nairobi\rT-10",
        b'T-11,16/05/2020 15:00,J,N,"has no end',
    ]
    content = b"\n".join([HEADER.encode(), ROW.encode(), *rows])

    assert counts(take(content)) == (1, 0, 10)

    assert refused() == [
        (3, rows[0], "", "The row has 6 cells, the header 7."),
        (4, rows[1], "", "The row has 8 cells, the header 7."),
        (
            5,
            rows[2],
            "/interactionDate",
            "2020-05-16 is no date of the form %d/%m/%Y %H:%M.",
        ),
        (6, rows[3], "/custom/score", "many is no number."),
        (8, rows[4], "", "It is not in utf-8-sig."),
        (9, rows[5], "", "This is not CSV: ',' expected after '\"'."),
        (10, rows[6], "/interactionDate", "This field is required."),
        (11, rows[7], "/agentName", "At most 200 characters."),
        (
            12,
            rows[8],
            "",
            f"This is not CSV: {MIXED}.",
        ),
        (13, rows[9], "", "This is not CSV: unexpected end of data."),
    ]


def test_a_quote_without_an_end_takes_a_bounded_part_of_the_file(take):
    filler = b"x" * 999 + b"\n"
    lost = b'T-1,16/05/2020 15:00,J,N,"no end\n' + filler * (LONGEST // 1000 + 1)
    content = b"%s\n%s%s%s\n" % (HEADER.encode(), lost, filler, ROW.encode())
    # What is behind is read as rows again.
    assert counts(take(content)) == (1, 0, 2)
    assert [(row.number, row.errors[0]["detail"]) for row in _rows()] == [
        (2, "A row may have 16 MB at most."),
        (LONGEST // 1000 + 4, "The row has 1 cells, the header 7."),
    ]
    assert bytes(_rows()[0].content) == lost[:KEPT]


def _rows():
    return list(RejectedLine.objects.order_by("number"))


def test_rows_without_a_name_of_their_own_come_once_by_how_far_the_file_is(take, monkeypatch):
    monkeypatch.setattr(importing, "BATCH_DOCUMENTS", 2)
    mapping = {name: value for name, value in MAPPING.items() if name != "sourceId"}
    content = "\n".join([HEADER, *[ROW] * 5])
    assert counts(take(content, mapping)) == (5, 0, 0)
    assert take(content, mapping).was_done
    # Read in another way, it is another file.
    assert counts(take(content, MAPPING)) == (1, 4, 0)
    assert Interaction.objects.count() == 6


def test_who_was_stopped_goes_on_in_the_middle_of_the_file(take, monkeypatch, tmp_path):
    monkeypatch.setattr(importing, "BATCH_DOCUMENTS", 2)
    path = tmp_path / "report.csv"
    cells = '16/05/2020 15:00,J,N,"two\nlines",1,'
    path.write_text("\n".join([HEADER, *(f"T-{n},{cells}" for n in range(5))]))
    mapping = read_mapping(json.dumps(MAPPING))
    done = import_file(path=path, mapping=mapping, stopped=Interaction.objects.exists)
    assert (done.created, done.line, done.is_done) == (2, 5, False)
    done = import_file(path=path, mapping=mapping)
    assert (done.created, done.line, done.is_done) == (5, 11, True)
    assert done.header == HEADER.encode()


def test_the_engagement_may_be_given_beside_the_mapping(take):
    mapping = {name: value for name, value in MAPPING.items() if name != "engagementId"}
    assert counts(take(f"{HEADER}\n{ROW}", mapping, engagement_id=ENGAGEMENT)) == (1, 0, 0)


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"agentName": "Clerk"}, "Clerk: The file has no column Clerk; it has Ticket, Date,"),
        ({"custom": {"a": "Sentiment"}}, "Sentiment: The file has no column Sentiment; it has"),
        ({"agentname": "Agent"}, "agentname: There is no such member. Known: _id, engagementId,"),
        ({"agentName": 5}, "agentName: It must be a column's name, "),
        ({"agentName": {"column": "Agent", "value": "x"}}, "agentName: It must be a column's name"),
        ({"agentName": {"column": ["Agent"]}}, "agentName.column: It must be a column's name."),
        ({"agentName": {"value": 5}}, "agentName.value: It must be a text."),
        ({"agentName": {"column": "Agent", "kind": "text"}}, "agentName: There is no option kind."),
        (
            {"agentName": {"column": "Agent", "type": "number"}},
            "agentName.type: It must be one of text.",
        ),
        (
            {"custom": {"a": {"column": "Agent", "type": "money"}}},
            "custom.a.type: It must be one of text, number, date.",
        ),
        ({"interactionDate": {"value": "today"}}, "interactionDate: It must come from a column."),
        (
            {"interactionDate": {"column": "Date", "format": 5}},
            "interactionDate.format: It must be a text such as %d/%m/%Y %H:%M.",
        ),
        (
            {"interactionDate": {"column": "Date", "timezone": "Mars/Base"}},
            "interactionDate.timezone: There is no time zone Mars/Base.",
        ),
        (
            {"interactionDate": {"column": "Date", "timezone": 3}},
            "interactionDate.timezone: There is no time zone 3.",
        ),
        ({"custom": ["Agent"]}, "custom: It must be an object."),
        ({"rest": "yes"}, "rest: It must be true or false."),
    ],
)
def test_a_mapping_that_is_wrong_is_refused_before_the_first_row(take, changes, detail):
    with pytest.raises(BadMapping) as refusal:
        take(f"{HEADER}\n{ROW}", {**MAPPING, **changes})
    assert refusal.value.detail.startswith(f"The mapping does not fit: {detail}")
    assert not Interaction.objects.exists()


def test_all_that_is_wrong_with_a_mapping_is_told_at_once(take):
    with pytest.raises(BadMapping) as refusal:
        read_mapping('{"agentName": 1, "sentimental": "Mood"}')
    assert [error.path for error in refusal.value.errors] == [
        ("agentName",),
        ("interactionDate",),
        ("sentimental",),
    ]


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        ("Date,Date,X", "Date: The file has the column Date twice."),
        ("Date,X,X", "X: The file has the column X twice."),
        ("Date,X,", ": Column 3 has no name to be kept by."),
    ],
)
def test_a_header_that_is_not_clear_is_refused(take, header, detail):
    with pytest.raises(BadMapping) as refusal:
        take(f"{header}\n", {"interactionDate": "Date", "rest": True})
    assert refusal.value.detail == f"The mapping does not fit: {detail}"


def test_columns_that_nobody_asks_for_may_have_any_name(take):
    mapping = {"engagementId": {"value": ENGAGEMENT}, "interactionDate": "Date"}
    assert counts(take("Date,X,X,\n2020-05-16,1,2,3\n", mapping)) == (1, 0, 0)


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        ("", "The first line must name the columns."),
        ('"Date', "The first line must name the columns. This is not CSV: unexpected end of data."),
        (b"D\xff", "The first line must name the columns. It is not in utf-8-sig."),
    ],
)
def test_a_file_without_a_header_is_refused(take, content, detail):
    with pytest.raises(BadMapping) as refusal:
        take(content)
    assert refusal.value.detail == detail


@pytest.mark.parametrize(
    ("text", "options", "detail"),
    [
        ("{", {}, "The mapping is not JSON: "),
        ("[" * 100_000, {}, "The mapping is not JSON: "),
        ("[]", {}, "The mapping must be a JSON object."),
        ("{}", {"delimiter": "::"}, "The delimiter must be one character."),
        ("{}", {"delimiter": '"'}, "The delimiter must be one character."),
        ("{}", {"encoding": "klingon"}, "There is no encoding klingon."),
        ("{}", {"encoding": "utf-16"}, "utf-16 cannot be read line by line. Save the file"),
        ("{}", {"encoding": "hex"}, "There is no encoding hex."),
    ],
)
def test_what_is_no_mapping_is_refused(text, options, detail):
    with pytest.raises(BadMapping) as refusal:
        read_mapping(text, **options)
    assert refusal.value.detail.startswith(detail)
