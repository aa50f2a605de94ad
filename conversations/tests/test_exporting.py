"""Documents out: each in one line, all of one moment, and in again as they were."""

import gzip
import io
import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from bson import json_util
from django.core.management import CommandError, call_command
from django.db import DataError, connection, connections
from django.db.models.expressions import RawSQL

from conversations.documents import OPTIONS, read_interaction
from conversations.exceptions import BadFile
from conversations.models import Client, Engagement, Interaction
from conversations.services import (
    Chosen,
    create_interactions,
    export_documents,
    import_file,
    written,
)
from conversations.services.rows_out import for_each_row
from conversations.states import Collection
from core.errors import InvalidInput
from customers.tests.factories import CustomerFactory
from orders.tests.factories import OrderFactory
from tests.processes import PROJECT, test_database_url

from .factories import ClientFactory, EngagementFactory, make_interaction

ENGAGEMENT = "5f18d12f42262eec0d435583"
HEAD = '{"_id": {"$oid": "%024x"}, "engagementId": {"$oid": "5f18d12f42262eec0d435583"}, '
# With their spaces, line breaks, orders of members, numbers and whatever else others send.
HOSTILE = [
    HEAD + '"interactionDate": {"$date": 1589630400000}}',
    HEAD + '"interactionDate":{"$date":-1}, "custom": {"$where": "sleep(1)", "$set": 5}}',
    (
        '{\n\t"custom" : {"b":1,"a":2,"b":3} ,\r\n "engagementId":{"$oid":"5F18D12F42262EEC0D435583"},'
        '"interactionDate":{"$date":5},"_id":{"$oid":"%024x"} \n}'
    ),
    HEAD + '"interactionDate":{"$date":7},"sentiment":null,"agentName":"T\\u0061b\\t\\\\N \\\\.",'
    '"custom":{"nul":"\\u0000","half":"\\ud800","pair":"\\ud83d\\ude00","raw":"😀 é \u2028",'
    '"n":123456789012345678901234567890.10,"e":1E400,"f":-0.0,"g":1.0,"deep":[[[[{}]]]]} }',
    HEAD
    + '"interactionDate":{"$date":9},"custom":{"text":"\\\\n is no end of line\\n, nor \\\\t"}}',
]


def names_in(folder):
    return [path.name for path in folder.iterdir()]


def export(**options):
    out = io.BytesIO()
    export_documents(write=out.write, **options)
    return out.getvalue()


@pytest.fixture
def engagement(db):
    return EngagementFactory.create(id=ENGAGEMENT)


@pytest.fixture
def hostile(engagement):
    texts = [text % number for number, text in enumerate(HOSTILE)]
    results = create_interactions(documents=[read_interaction(text) for text in texts])
    assert [result.outcome for result in results] == ["created"] * len(texts)
    return texts


def test_each_document_is_one_line_as_it_came(hostile):
    lines = export().decode().split("\n")
    assert lines[-1] == ""
    in_order = [hostile[n] for n in (1, 2, 3, 4, 0)]
    assert lines[:-1] == [text.replace("\n", " ").replace("\r", " ") for text in in_order]


def test_mongo_reads_what_is_exported(hostile):
    for line in export().splitlines():
        document = json_util.loads(line, json_options=OPTIONS)
        assert str(document["engagementId"]) == ENGAGEMENT
        assert document["interactionDate"].tzinfo is not None


def test_out_in_and_out_again_gives_the_same_bytes(hostile, tmp_path):
    customer = CustomerFactory.create(code="WANJIRU")
    order = OrderFactory.create(customer=customer)
    texts = [
        HEAD % 20 + '"interactionDate":{"$date":11} , "sourceId" : "a\\"\\\\b", "custom":{} }',
        HEAD % 21 + f'"interactionDate":{{"$date":12}},"order":"{order.number}"}}',
        (
            '{"customer":"WANJIRU", "engagementId":{"$oid":"5f18d12f42262eec0d435583"},'
            '"interactionDate":{"$date":"2020-05-16T12:00:00Z"}  }'
        ),
    ]
    results = create_interactions(documents=[read_interaction(text) for text in texts])
    assert [result.error for result in results] == [None] * 3
    before = {each: export(collection=each) for each in Collection}
    assert before[Collection.INTERACTIONS].count(b"\n") == 8
    assert b'"sourceId":"a\\"\\\\b"}' in before[Collection.INTERACTIONS].replace(b" ", b"")

    for model in (Interaction, Engagement, Client):
        model.objects.all().delete()
    for each in Collection:
        path = tmp_path / each
        path.write_bytes(before[each])
        done = import_file(path=path, collection=each)
        assert (done.created, done.rejected) == (before[each].count(b"\n"), 0)

    assert {each: export(collection=each) for each in Collection} == before


def test_documents_go_without_members_of_our_own(engagement):
    customer = CustomerFactory.create(code="WANJIRU")
    made = make_interaction(engagement, customer=customer, source_id="T-1")
    assert export(with_own=False).decode() == made.document + "\n"
    assert export().decode() == made.document[:-1] + ',"sourceId":"T-1","customer":"WANJIRU"}\n'


def test_clients_and_engagements_go_in_the_order_of_their_ids(db):
    second = ClientFactory.create(id="2" * 24, name='Say "é"', nick_name="")
    ClientFactory.create(id="1" * 24, name="Acme", nick_name="acme")
    EngagementFactory.create(id="3" * 24, client=second, name="Chat")
    assert export(collection=Collection.CLIENTS).decode() == (
        '{"_id":{"$oid":"111111111111111111111111"},"name":"Acme","nickName":"acme"}\n'
        '{"_id":{"$oid":"222222222222222222222222"},"name":"Say \\"é\\"","nickName":""}\n'
    )
    assert export(collection=Collection.ENGAGEMENTS).decode() == (
        '{"_id":{"$oid":"333333333333333333333333"},"clientId":{"$oid":"222222222222222222222222"},'
        '"name":"Chat"}\n'
    )


def numbers(**chosen):
    return [
        json.loads(line)["custom"]["n"] for line in export(chosen=Chosen(**chosen)).splitlines()
    ]


def test_what_is_exported_can_be_chosen(engagement):
    other = EngagementFactory.create()
    customer = CustomerFactory.create(code="WANJIRU")
    times = [datetime(2020, 5, day, tzinfo=UTC) for day in (3, 1, 2)]
    make_interaction(engagement, custom={"n": 3}, interaction_date=times[0])
    make_interaction(engagement, custom={"n": 1}, interaction_date=times[1], customer=customer)
    make_interaction(other, custom={"n": 2}, interaction_date=times[2])

    assert numbers() == [1, 2, 3]
    assert numbers(engagement_id=ENGAGEMENT) == [1, 3]
    assert numbers(client_id=other.client_id) == [2]
    assert numbers(customer="WANJIRU") == [1]
    assert numbers(after=times[2]) == [2, 3]
    assert numbers(before=times[2]) == [1]
    assert numbers(engagement_id=ENGAGEMENT, after=times[2]) == [3]


def test_who_is_not_there_cannot_be_chosen(db):
    for chosen, detail in (
        (Chosen(client_id="9" * 24), f"There is no client {'9' * 24}."),
        (Chosen(engagement_id="9" * 24), f"There is no engagement {'9' * 24}."),
        (Chosen(customer="NOBODY"), "There is no customer NOBODY."),
    ):
        with pytest.raises(InvalidInput) as refusal:
            export(chosen=chosen)
        assert refusal.value.detail == detail
    with pytest.raises(InvalidInput, match="Only interactions can be chosen"):
        export(collection=Collection.CLIENTS, chosen=Chosen(customer="NOBODY"))


@pytest.mark.django_db(transaction=True)
def test_what_is_written_meanwhile_is_neither_doubled_nor_missed():
    engagement = EngagementFactory.create()
    for number in range(3):
        make_interaction(engagement, custom={"n": number})
    seen = []

    def write(line):
        seen.append(json.loads(line)["custom"]["n"])
        if len(seen) == 1:
            # In a connection of its own: this one is in the middle of COPY.
            other = connections.create_connection("default")
            with other.cursor() as cursor:
                cursor.execute("UPDATE conversations_interaction SET interaction_date = now()")
                cursor.execute("DELETE FROM conversations_interaction WHERE custom @> '{\"n\": 2}'")
            other.close()

    assert export_documents(write=write) == 3
    assert sorted(seen) == [0, 1, 2]
    assert Interaction.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_who_cannot_write_any_more_leaves_the_connection_in_order():
    engagement = EngagementFactory.create()
    for _ in range(500):
        make_interaction(engagement, custom={"text": "x" * 5000})

    def write(line):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        export_documents(write=write)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_a_statement_that_fails_is_told(engagement):
    make_interaction(engagement)
    rows = Interaction.objects.annotate(none=RawSQL("1 / length(source_id)", [])).values_list(
        "none"
    )
    with pytest.raises(DataError, match="division by zero"):
        for_each_row(rows, print)


# The command


def test_the_command_writes_a_file_that_only_its_owner_reads(hostile, tmp_path, capsys):
    path = tmp_path / "out.json"
    path.write_text("what was there before")
    call_command("export_interactions", output=path)
    assert path.read_bytes() == export()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names_in(tmp_path) == ["out.json"]
    assert capsys.readouterr().out == f"5 documents are in {path}.\n"


def test_the_command_packs_the_same_documents_into_the_same_bytes(hostile, tmp_path):
    paths = [tmp_path / "a.json.gz", tmp_path / "b.json.gz"]
    for path in paths:
        call_command("export_interactions", output=path)
    assert gzip.decompress(paths[0].read_bytes()) == export()
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_the_command_writes_to_standard_output(hostile, capsysbinary):
    call_command("export_interactions")
    assert capsysbinary.readouterr().out == export()


def test_the_command_takes_choices(engagement, tmp_path):
    path = tmp_path / "out"
    # The shop's own time is three hours ahead of UTC.
    make_interaction(engagement, interaction_date=datetime(2020, 5, 15, 21, tzinfo=UTC))
    make_interaction(engagement, interaction_date=datetime(2020, 5, 15, 20, 59, tzinfo=UTC))
    for options, count in (
        ({"after": "2020-05-16"}, 1),
        ({"before": "2020-05-16"}, 1),
        ({"after": "2020-05-15T20:00Z", "before": "2020-05-15T21:01Z"}, 2),
        ({"engagement": ENGAGEMENT.upper()}, 2),
        ({"client": engagement.client_id}, 2),
        ({"collection": "engagements"}, 1),
    ):
        call_command("export_interactions", output=path, **options)
        assert len(path.read_bytes().splitlines()) == count, options
    call_command("export_interactions", output=path, without_links=True)
    assert path.read_text() == "".join(
        f"{each.document}\n" for each in Interaction.objects.order_by("interaction_date")
    )


@pytest.mark.parametrize(
    ("options", "detail"),
    [
        ({"client": "x"}, "--client: It must be an ObjectId: 24 hex digits."),
        ({"after": "soon"}, "--after: it must be a day or a time: 2020-05-16, 2020-05-16T12:00Z."),
        ({"customer": "NOBODY"}, "There is no customer NOBODY."),
    ],
)
def test_the_command_refuses_what_it_cannot_read(db, tmp_path, options, detail):
    path = tmp_path / "out"
    with pytest.raises(CommandError) as refusal:
        call_command("export_interactions", output=path, **options)
    assert str(refusal.value) == detail
    assert names_in(tmp_path) == []


def test_a_file_that_cannot_be_written_is_told(db, tmp_path):
    path = tmp_path / "missing" / "out"
    with pytest.raises(CommandError, match="cannot be written: No such file or directory"):
        call_command("export_interactions", output=path)


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "out"
    path.write_text("before")
    with pytest.raises(BadFile, match="No space left"), written(path) as file:
        file.write(b"half")
        raise OSError(28, "No space left on device")
    assert path.read_text() == "before"
    assert names_in(tmp_path) == ["out"]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_who_has_read_enough_ends_the_command_quietly(tmp_path):
    engagement = EngagementFactory.create()
    for _ in range(300):
        make_interaction(engagement, custom={"text": "x" * 5000})
    process = subprocess.Popen(
        [sys.executable, "manage.py", "export_interactions"],
        cwd=PROJECT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings.development",
            "DATABASE_URL": test_database_url(),
            "DUKA_VAR": str(tmp_path),
            "SECRET_KEY": "tests-only",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout.readline().startswith(b'{"_id":')
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(90) == 0
    finally:
        process.kill()
        process.wait(15)
        process.stderr.close()
