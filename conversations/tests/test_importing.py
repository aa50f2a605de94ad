"""Files of documents in: each line once, whatever is in the file and whenever it is left."""

import gzip
import json
import sys
import threading
import tracemalloc

import pytest
from django.db import OperationalError, connection, connections

from conversations.exceptions import BadFile, ImportTaken
from conversations.models import Client, Engagement, ImportedFile, Interaction, RejectedLine
from conversations.services import files, import_file, importing, storing
from conversations.services.files import CHUNK, KEPT, LONGEST, Form, lines, objects, survey
from conversations.states import Collection
from core.errors import InvalidInput
from customers.tests.factories import CustomerFactory
from tests.processes import spawn, wait_until

from .factories import ClientFactory, EngagementFactory, make_interaction

ENGAGEMENT = "5f18d12f42262eec0d435583"
SAMPLE = (
    '{"_id":{"$oid":"5f18d12f42262eec0d43567d"},"engagementId":{"$oid":"5f18d12f42262eec0d435583"},'
    '"interactionDate":{"$date":1589630400000},"agentName":"John Ford","sentiment":"Negative",'
    '"custom":{"csvName":"2020_16_05_report.csv","agentFirstName":"John","agentLastName":"Ford"}}'
)


def line(number, **members):
    """Return the text of a document, the `_id` of which is its number."""
    document = {
        "_id": {"$oid": f"{number:024x}"},
        "engagementId": {"$oid": ENGAGEMENT},
        "interactionDate": {"$date": 1589630400000 + number},
        "custom": {"number": number},
        **members,
    }
    return json.dumps({name: value for name, value in document.items() if value is not None})


def counts(done):
    return (done.created, done.unchanged, done.rejected)


def stored():
    return list(Interaction.objects.order_by("pk").values_list("document", flat=True))


def reasons():
    return [
        (row.number, [(each["pointer"], each["code"]) for each in row.errors])
        for row in RejectedLine.objects.order_by("number")
    ]


@pytest.fixture
def engagement(db):
    return EngagementFactory.create(id=ENGAGEMENT)


@pytest.fixture
def file(tmp_path):
    """`file(text)`: a file with that in it, in bytes or text."""

    def write(content, name="interactions.json"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def small(monkeypatch):
    """Batches of three."""
    monkeypatch.setattr(importing, "BATCH_DOCUMENTS", 3)


def test_the_sample_is_stored_byte_for_byte(engagement, file):
    done = import_file(path=file(SAMPLE + "\n"))

    assert counts(done) == (1, 0, 0)
    assert stored() == [SAMPLE]


def test_all_three_collections_come_in_by_the_same_way(db, file):
    client = '{"_id":{"$oid":"5f18d12f42262eec0d435582"},"name":"Acme","nickName":"acme"}\n'
    engaged = (
        f'{{"_id":{{"$oid":"{ENGAGEMENT}"}},"clientId":{{"$oid":"5f18d12f42262eec0d435582"}},'
        '"name":"Chat"}\n'
    )
    assert counts(import_file(path=file(client), collection=Collection.CLIENTS)) == (1, 0, 0)
    assert counts(import_file(path=file(engaged), collection=Collection.ENGAGEMENTS)) == (1, 0, 0)
    assert counts(import_file(path=file(SAMPLE))) == (1, 0, 0)

    assert Client.objects.values_list("pk", "name", "nick_name").get() == (
        "5f18d12f42262eec0d435582",
        "Acme",
        "acme",
    )
    assert Engagement.objects.values_list("pk", "client_id", "name").get() == (
        ENGAGEMENT,
        "5f18d12f42262eec0d435582",
        "Chat",
    )
    assert Interaction.objects.get().client_id == "5f18d12f42262eec0d435582"


def test_clients_and_engagements_that_are_wrong_are_set_aside(db, file):
    ClientFactory.create(id="0" * 24, name="Acme", nick_name="")
    clients = [
        {"_id": {"$oid": "0" * 24}, "name": "Acme"},
        {"_id": {"$oid": "0" * 24}, "name": "Another"},
        {"name": "Without an id"},
        {"_id": "x", "nickName": 5, "__v": 0},
        {"name": "N" * 201},
    ]
    path = file("".join(json.dumps(each) + "\n" for each in clients))

    assert counts(import_file(path=path, collection=Collection.CLIENTS)) == (1, 1, 3)

    assert reasons() == [
        (2, [("/_id", "id_taken")]),
        (
            4,
            [
                ("/_id", "invalid"),
                ("/name", "required"),
                ("/nickName", "invalid"),
                ("/__v", "unknown_field"),
            ],
        ),
        (5, [("/name", "max_length")]),
    ]
    path = file(json.dumps({"clientId": {"$oid": "1" * 24}, "name": "Chat"}))
    assert counts(import_file(path=path, collection=Collection.ENGAGEMENTS)) == (0, 0, 1)
    assert RejectedLine.objects.order_by("pk").last().errors == [
        {"pointer": "/clientId", "code": "not_found", "detail": "There is no such client."}
    ]


def test_clients_without_ids_come_once_for_each_line(db, file):
    path = file('{"name":"Acme"}\n{"name":"Acme"}\n')
    assert counts(import_file(path=path, collection=Collection.CLIENTS)) == (2, 0, 0)
    assert import_file(path=path, collection=Collection.CLIENTS).was_done
    assert Client.objects.count() == 2


def test_bad_lines_are_set_aside_as_they_came_and_the_rest_goes_on(engagement, file):
    CustomerFactory.create(code="WANJIRU")
    bad = [
        b'{"interactionDate":{"$date":1},',
        b"\xff\xfe{}",
        b'{"engagementId":{"$oid":"' + b"9" * 24 + b'"},"interactionDate":{"$date":1}}',
        line(7, customer="NOBODY").encode(),
        line(8, sourceId="nul\x00").encode(),
        b'{"a\\u0000b":1,"engagementId":{"$oid":"' + b"9" * 24 + b'"}}',
        b'{"raw": "nul \x00"}',
        b"[1]",
        b"null",
    ]
    good = [line(1), line(2, customer="WANJIRU"), line(3, custom={"$where": "sleep(1)"})]
    path = file(b"\n".join([good[0].encode(), *bad, *map(str.encode, good[1:])]))

    assert counts(import_file(path=path)) == (3, 0, 9)

    rows = list(RejectedLine.objects.order_by("number"))
    assert [bytes(row.content) for row in rows] == bad
    assert reasons() == [
        (2, [("", "bad_document")]),
        (3, [("", "bad_document")]),
        (4, [("/engagementId", "not_found")]),
        (5, [("/customer", "not_found")]),
        (6, [("/sourceId", "invalid")]),
        (7, [("/interactionDate", "required"), ("/ab", "unknown_field")]),
        (8, [("", "bad_document")]),
        (9, [("", "bad_document")]),
        (10, [("", "bad_document")]),
    ]
    assert rows[1].errors[0]["detail"] == "It is not in UTF-8."
    assert [json.loads(each)["custom"] for each in stored()] == [
        {"number": 1},
        {"number": 2},
        {"$where": "sleep(1)"},
    ]
    row = ImportedFile.objects.get()
    assert (row.name, row.collection, row.line, row.position) == (
        "interactions.json",
        "interactions",
        12,
        path.stat().st_size,
    )
    assert (row.created, row.unchanged, row.rejected) == (3, 0, 9)
    assert row.ended_at is not None


@pytest.mark.parametrize("pack", [lambda content: content, gzip.compress])
@pytest.mark.parametrize(
    "content",
    [
        "{0}\n{1}\n{2}\n",
        "{0}\n{1}\n{2}",
        "\ufeff{0}\r\n\r\n{1}\r\n{2}\r\n",
        "\n\n  {0}  \n\t\n{1}\n{2}\n\n\n",
        "[{0},{1},{2}]\n",
        "\ufeff [{0},\n{1},\r\n {2}\n]\n",
        "[{0}\n,{1}\n,{2}]",
    ],
)
def test_forms_of_a_file_that_mean_the_same(engagement, file, small, pack, content):
    texts = [line(1), line(2, custom={"text": 'a "{[\\" brace', "list": [{"a": []}]}), line(3)]
    path = file(pack(content.format(*texts).encode()), "named.anything")

    assert counts(import_file(path=path)) == (3, 0, 0)
    assert stored() == texts


def test_documents_of_several_lines_each(engagement, file):
    texts = [json.dumps(json.loads(line(n)), indent="\t") for n in (1, 2)]
    assert counts(import_file(path=file("\n".join(texts) + "\n"))) == (2, 0, 0)
    assert stored() == texts


def test_pieces_are_the_same_however_the_file_is_cut(tmp_path, monkeypatch):
    texts = [line(n, custom={"text": 'x"\\{' * n, "é": "ü" * n}) for n in range(20)]
    for read, content in (
        (lines, "\n".join(texts)),
        (objects, "[" + ",\n".join(texts) + "]"),
    ):
        path = tmp_path / "file"
        path.write_text(content)
        found = []
        for size in (1, 2, 3, 7, 64, 1000, CHUNK):
            monkeypatch.setattr("conversations.services.files.read.__defaults__", (size,))
            with path.open("rb") as opened:
                found.append(list(read(opened, position=0, number=0)))
        assert [piece.content.decode() for piece in found[0]] == texts
        assert [piece.number for piece in found[0]] == list(range(1, 21))
        assert all(each == found[0] for each in found)
        # From behind each, the rest is the same.
        for index, piece in enumerate(found[0]):
            with path.open("rb") as opened:
                opened.seek(piece.ends)
                rest = list(read(opened, position=piece.ends, number=piece.number))
            assert rest == found[0][index + 1 :]


def test_a_line_longer_than_a_document_may_be_is_set_aside_without_its_end(engagement, file):
    long = b'{"custom":"' + b"x" * LONGEST + b'"}'
    for content in (b"%s\n%s\n%s" % (line(1).encode(), long, line(2).encode()), b"[%s]" % long):
        import_file(path=file(content))
        row = RejectedLine.objects.order_by("pk").last()
        assert bytes(row.content) == long[:KEPT]
        assert row.errors == [
            {
                "pointer": "",
                "code": "too_large",
                "detail": f"A document may have 16 MB at most; this has {len(long):,} bytes, of which"
                " only the beginning is kept.",
            }
        ]
    assert stored() == [line(1), line(2)]


def test_a_bomb_of_gzip_is_read_piece_by_piece(engagement, tmp_path):
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", 9) as file:
        for _ in range(100):
            file.write(b" " * CHUNK)
            file.write(b"\n" * 1000)
        file.write(b"{" * (100 * CHUNK))
        file.write(b"\n" + line(1).encode())
    assert path.stat().st_size < CHUNK
    tracemalloc.start()
    try:
        done = import_file(path=path)
        assert tracemalloc.get_traced_memory()[1] < 100 * CHUNK
    finally:
        tracemalloc.stop()
    assert counts(done) == (1, 0, 1)
    assert done.line == 100_002


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (
            gzip.compress(SAMPLE.encode())[:-9],
            "It ends in the middle of what gzip packed: it is cut off.",
        ),
        (
            gzip.compress(SAMPLE.encode()) + b"more",
            "What gzip packed is damaged, or something else stands behind it.",
        ),
        (
            gzip.compress(SAMPLE.encode())[:20] + b"\xff" * 100,
            "What gzip packed is damaged, or something else stands behind it.",
        ),
        (
            SAMPLE.encode("utf-16"),
            "interactions.json is in UTF-16. Save it as UTF-8 and try again.",
        ),
    ],
)
def test_a_file_that_cannot_be_read_stores_nothing(engagement, file, content, detail):
    with pytest.raises(BadFile) as refusal:
        import_file(path=file(content))
    assert refusal.value.detail == detail
    assert not ImportedFile.objects.exists()
    assert not Interaction.objects.exists()


def test_what_is_no_file_is_refused(engagement, tmp_path):
    with pytest.raises(BadFile, match="cannot be read: No such file or directory"):
        import_file(path=tmp_path / "missing")
    with pytest.raises(BadFile, match="is no file"):
        import_file(path=tmp_path)


def test_a_disk_that_fails_is_told(engagement, file, monkeypatch):
    path = file(SAMPLE)

    class Torn:
        def read(self, size):
            raise OSError(5, "Input/output error")

    with pytest.raises(BadFile, match="It cannot be read: Input/output error"):
        files.read(Torn())
    assert survey(path, told=lambda size: True).form == Form.LINES


def test_files_packed_one_behind_the_other_are_one(engagement, file):
    path = file(gzip.compress(f"{line(1)}\n".encode()) + gzip.compress(line(2).encode()))
    assert counts(import_file(path=path)) == (2, 0, 0)


def test_an_empty_file_is_done(engagement, file):
    for content in (b"", b"\n\n", b"[]"):
        done = import_file(path=file(content))
        assert (counts(done), done.is_done, done.was_done) == ((0, 0, 0), True, False)


def test_options_that_do_not_go_together_are_refused(db, file):
    path = file(SAMPLE)
    with pytest.raises(InvalidInput, match="for interactions alone"):
        import_file(path=path, collection=Collection.CLIENTS, engagement_id=ENGAGEMENT)
    with pytest.raises(InvalidInput, match=f"There is no engagement {ENGAGEMENT}"):
        import_file(path=path, engagement_id=ENGAGEMENT)


def test_documents_that_do_not_say_so_are_of_the_engagement_that_is_given(engagement, file):
    path = file(f"{line(1, engagementId=None)}\n{line(2, engagementId={'$oid': '9' * 24})}")
    assert counts(import_file(path=path, engagement_id=ENGAGEMENT)) == (1, 0, 1)
    assert reasons() == [(2, [("/engagementId", "wrong_engagement")])]
    assert Interaction.objects.get().engagement_id == ENGAGEMENT


def test_a_file_that_is_done_is_left_alone_whatever_it_is_called_and_packed(engagement, file):
    text = "\n".join(line(n, _id=None) for n in range(3))
    import_file(path=file(text))
    for content in (text.encode(), gzip.compress(text.encode())):
        done = import_file(path=file(content, "other"))
        assert (done.was_done, done.is_done, counts(done)) == (True, True, (3, 0, 0))
    assert Interaction.objects.count() == 3


def test_a_file_that_is_read_in_another_way_is_another(engagement, file):
    path = file(line(1, engagementId=None))
    assert counts(import_file(path=path)) == (0, 0, 1)
    assert counts(import_file(path=path, engagement_id=ENGAGEMENT)) == (1, 0, 0)


def test_beginning_anew_finds_the_documents_unchanged(engagement, file, small):
    path = file("\n".join([*(line(n) for n in range(5)), "{"]))
    import_file(path=path)
    done = import_file(path=path, again=True)
    assert (counts(done), done.was_done) == ((0, 5, 1), False)
    assert reasons() == [(6, [("", "bad_document")])]
    assert Interaction.objects.count() == 5
    row = ImportedFile.objects.get()
    assert (row.created, row.unchanged, row.rejected) == (0, 5, 1)


def test_a_document_that_was_changed_here_is_not_overwritten(engagement, file):
    make_interaction(engagement, id=f"{1:024x}", custom={"mine": True})
    assert counts(import_file(path=file(line(1)))) == (0, 0, 1)
    assert reasons() == [(1, [("/_id", "id_taken")])]
    assert json.loads(stored()[0])["custom"] == {"mine": True}


@pytest.mark.parametrize("as_array", [False, True])
def test_who_is_stopped_goes_on_behind_the_last_batch(engagement, file, small, as_array):
    texts = [line(n, _id=None) for n in range(10)]
    path = file(f"[{','.join(texts)}]" if as_array else "\n".join(texts))
    seen = []
    for _ in range(6):
        done = import_file(path=path, stopped=lambda: len(told) > 1, told=(told := []).append)
        seen.append((done.is_surveyed, done.is_done, done.line, done.created))
    assert seen == [
        (True, False, 3, 3),
        (True, False, 6, 6),
        (True, False, 9, 9),
        (True, False, 10, 10),
        (True, True, 10, 10),
        (True, True, 10, 10),
    ]
    assert done.was_done
    assert Interaction.objects.count() == 10


def test_who_is_stopped_before_the_first_batch_has_stored_nothing(engagement, file):
    done = import_file(path=file(SAMPLE), stopped=lambda: True)
    assert (done.is_surveyed, done.is_done) == (False, False)
    assert not ImportedFile.objects.exists()


def test_a_dry_run_tells_all_and_stores_nothing(engagement, file, small):
    CustomerFactory.create(code="WANJIRU")
    path = file("\n".join([line(1), line(2, customer="WANJIRU"), line(3, customer="NO"), "{"]))
    refused = []
    done = import_file(path=path, dry_run=True, refused=refused.append)
    assert (counts(done), done.is_done) == ((2, 0, 2), True)
    assert [(each.number, each.errors[0]["code"]) for each in refused] == [
        (3, "not_found"),
        (4, "bad_document"),
    ]
    for model in (Interaction, ImportedFile, RejectedLine):
        assert not model.objects.exists()


def test_a_file_that_is_written_to_meanwhile_stops(engagement, file, small):
    path = file("\n".join(line(n) for n in range(9)))

    def add(done):
        if done.created == 3:
            with path.open("a") as more:
                more.write("\n" + line(10))

    with pytest.raises(ImportTaken, match="was changed or moved while it was read"):
        import_file(path=path, told=add)
    assert Interaction.objects.count() == 3

    def remove(done):
        if done.created == 3:
            path.unlink()

    path = file("\n".join(line(n) for n in range(20, 29)))
    with pytest.raises(ImportTaken):
        import_file(path=path, told=remove)


def test_who_finds_another_at_the_same_file_stops(engagement, file, small):
    path = file("\n".join(line(n, _id=None) for n in range(10)))

    def second(done):
        if done.created == 3:
            assert import_file(path=path).created == 10

    with pytest.raises(ImportTaken, match="Another command takes the same file in"):
        import_file(path=path, told=second)
    assert Interaction.objects.count() == 10
    assert ImportedFile.objects.get().created == 10


def test_who_meets_one_that_began_anew_stops(engagement, file, small):
    path = file("\n".join(line(n) for n in range(10)))

    def second(done):
        if done.created == 6:
            ImportedFile.objects.all().delete()

    with pytest.raises(ImportTaken):
        import_file(path=path, told=second)


@pytest.mark.django_db(transaction=True)
def test_many_at_one_file_take_each_line_in_once(file, small):
    EngagementFactory.create(id=ENGAGEMENT)
    path = file("\n".join(line(n, _id=None) for n in range(60)))
    outcomes = []

    def run():
        try:
            outcomes.append(import_file(path=path).is_done)
        except ImportTaken:
            outcomes.append(False)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert len(outcomes) == 4
    assert any(outcomes)
    assert Interaction.objects.count() == 60
    row = ImportedFile.objects.get()
    assert (row.created, row.line) == (60, 60)


def test_what_the_database_has_a_limit_for_fails_alone(engagement, file, monkeypatch):
    real = storing.create_interactions

    def picky(*, documents):
        with connection.cursor() as cursor:
            for each in documents:
                if '"number": 3}' in each.text:
                    cursor.execute("SELECT 1/0")
                if '"number": 5}' in each.text:
                    cursor.execute("SELECT repeat('x', 2000000000)")
        return real(documents=documents)

    monkeypatch.setattr("conversations.services.collections.create_interactions", picky)
    assert counts(import_file(path=file("\n".join(line(n) for n in range(8))))) == (6, 0, 2)
    assert [row.errors[0]["detail"] for row in RejectedLine.objects.order_by("number")] == [
        "The database cannot hold it: division by zero",
        "The database cannot hold it: requested length too large",
    ]


def test_a_database_that_goes_away_stops_it(engagement, file, monkeypatch):
    def gone(*, documents):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 1")
            cursor.execute("SELECT pg_sleep(60)")

    monkeypatch.setattr("conversations.services.collections.create_interactions", gone)
    with pytest.raises(OperationalError, match="statement timeout"):
        import_file(path=file(SAMPLE))
    assert ImportedFile.objects.get().line == 0


_MEASURED = """
import sys
import django
django.setup()
from pathlib import Path
from conversations.services import import_file
def peak():
    # Of this program alone; getrusage() begins with what its parent had when it forked.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024
small, large = map(Path, sys.argv[1:])
import_file(path=small)
before = peak()
done = import_file(path=large)
print(done.created, peak() - before)
"""


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_memory_stays_bounded_however_large_the_file_is(tmp_path):
    EngagementFactory.create(id=ENGAGEMENT)
    small, large = tmp_path / "small.gz", tmp_path / "large.gz"
    text = "the same words again and again " * 30
    with gzip.open(small, "wt") as file:
        file.write(line(0))
    with gzip.open(large, "wt", 1) as file:
        for n in range(1, 60_001):
            file.write(line(n, custom={"text": text, "number": n}) + "\n")
    with spawn(sys.executable, "-c", _MEASURED, str(small), str(large)) as process:
        wait_until(lambda: process.process.poll() is not None, 300)
        created, grown = process.log().split()[-2:]
    assert int(created) == 60_000
    # Of 66 MB unpacked: three batches, as bytes, texts and rows.
    assert int(grown) < 100
