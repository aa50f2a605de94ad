"""Arrays in files: whole, or nothing of them is stored."""

import pytest

from conversations.exceptions import BadFile
from conversations.models import ImportedFile, Interaction, RejectedLine
from conversations.services import files, import_file
from conversations.services.files import CHUNK, survey
from conversations.tests.factories import EngagementFactory

ENGAGEMENT = "5f18d12f42262eec0d435583"
MB = 1024 * 1024
D = '{"engagementId":{"$oid":"%s"},"interactionDate":{"$date":0},"custom":{"a":"[\\"{,]"}}'
D = D % ENGAGEMENT


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "in.json"
        path.write_bytes(content.replace("D", D).encode())
        return path

    return write


CUT = "it does not end: it is cut off"
MORE = "there is more behind it"
COMMA = "there is no comma"
NOTHING = "a comma has nothing beside it"
NESTED = "there is an array in it"
TORN = [
    ("[D,D,D", 3, CUT),
    ("[", 0, CUT),
    (" [D,", 1, CUT),
    ('[D,{"a":"x', 2, CUT),
    ('[D,{"a":[},D]', 2, CUT),
    ("[D,[", 1, NESTED),
    ("[[[[", 0, NESTED),
    ("[[D]]", 0, NESTED),
    ("[D,[D,D],D]", 1, NESTED),
    ("[D[]]", 1, NESTED),
    ("[D D]", 1, COMMA),
    ("[DD]", 1, COMMA),
    ("[D\n5]", 1, COMMA),
    ("[5 D]", 1, COMMA),
    ("[D}]", 1, COMMA),
    ("[D,]", 1, NOTHING),
    ("[,D]", 0, NOTHING),
    ("[D,,D]", 1, NOTHING),
    ("[D][D]", 1, MORE),
    ("[D]]", 1, MORE),
    ("[D],", 1, MORE),
    ("[D]\nD", 1, MORE),
    ("\ufeff[D] behind", 1, MORE),
]


@pytest.mark.django_db
@pytest.mark.parametrize("size", [1, CHUNK])
@pytest.mark.parametrize(("content", "count", "what"), TORN)
def test_an_array_that_is_torn_or_malformed_stores_nothing(  # noqa: PLR0917
    file, monkeypatch, content, count, what, size
):
    EngagementFactory.create(id=ENGAGEMENT)
    # A mark of UTF-8 and two characters; all else by single bytes.
    chunk = files.read
    monkeypatch.setattr(files, "read", lambda opened: chunk(opened, size if opened.tell() else 9))
    if size == 1:
        with pytest.raises(BadFile) as caught:
            survey(file(content), told=lambda _: True)
    else:
        with pytest.raises(BadFile) as caught:
            import_file(path=file(content))
    assert caught.value.detail == (
        f"in.json is not an array of documents: behind document {count}, {what}. Nothing was stored."
    )
    assert not ImportedFile.objects.exists()
    assert not Interaction.objects.exists()


@pytest.mark.parametrize(
    "content", ["[]", " [ ]\n", "[D]", "\ufeff\n[D , D\n,\r\nD ]\n\n", "[5,D]"]
)
@pytest.mark.parametrize("size", [1, CHUNK])
def test_one_that_is_whole_is_known_by_every_cut(file, monkeypatch, content, size):
    chunk = files.read
    monkeypatch.setattr(files, "read", lambda opened: chunk(opened, size if opened.tell() else 9))
    path = file(content)
    assert survey(path, told=lambda _: True).size == path.stat().st_size


@pytest.mark.django_db
def test_what_is_no_object_in_one_is_set_aside(file):
    EngagementFactory.create(id=ENGAGEMENT)

    done = import_file(path=file('[D,stray stuff,\n5,null,{"no": "end\n},D]'))

    assert (done.created, done.rejected) == (2, 4)
    assert [
        (row.number, bytes(row.content)) for row in RejectedLine.objects.order_by("number")
    ] == [(2, b"stray stuff"), (3, b"5"), (4, b"null"), (5, b'{"no": "end\n}')]


@pytest.mark.parametrize(
    ("content", "count"), [('{\n"a":1}\n[{"b":1}]', 1), ('{\n"a":1}\n{"b":1}]\n', 2)]
)
def test_documents_one_behind_the_other_have_no_brackets_between_them(file, content, count):
    with pytest.raises(BadFile) as caught:
        survey(file(content), told=lambda _: True)
    assert caught.value.detail == (
        f"in.json is not documents one behind the other: behind document {count}, there is a"
        " bracket. Nothing was stored."
    )


def test_nothing_but_brackets_is_refused_at_the_first_chunk(tmp_path):
    path, told = tmp_path / "in.json", []
    path.write_bytes(b"[" * (60 * MB))
    with pytest.raises(BadFile, match="there is an array in it"):
        survey(path, told=lambda size: told.append(size) or True)
    assert told == []


def test_a_column_may_begin_with_a_bracket(file):
    path = file("[a],b\n1,2\n")
    assert survey(path, told=lambda _: True, is_csv=True).size == 10
    with pytest.raises(BadFile):
        survey(path, told=lambda _: True)
