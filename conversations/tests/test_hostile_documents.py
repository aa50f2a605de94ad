"""What somebody may send to do harm is stored as it came, or refused."""

import pytest

from conversations import services
from conversations.documents import read_interaction
from conversations.exceptions import BadDocument, TooLarge
from conversations.models import Interaction
from core.errors import DomainError

from .factories import EngagementFactory

pytestmark = pytest.mark.django_db

MB = 1024 * 1024
ID = "5f18d12f42262eec0d43567d"


@pytest.fixture
def engagement():
    return EngagementFactory()


def text_of(engagement, custom, more=""):
    return (
        f'{{"_id":{{"$oid":"{ID}"}},"engagementId":{{"$oid":"{engagement.pk}"}},'
        f'"interactionDate":{{"$date":1589630400000}}{more},"custom":{custom}}}'
    )


def store(text):
    """Store a document, change it and change it back; return it as it is then."""
    services.create_interaction(document=read_interaction(text))
    row, made = services.create_interaction(document=read_interaction(text))
    assert not made
    services.change_interaction(interaction_id=row.pk, changes={"sentiment": '"x"'})
    return services.change_interaction(interaction_id=row.pk, changes={"sentiment": None})


@pytest.mark.parametrize(
    ("custom", "indexed"),
    [
        ('{"$where":"sleep(1e9)||true"}', '{"$where": "sleep(1e9)||true"}'),
        (
            '{"$date":"x","$oid":5,"a.b":{"$gt":""}}',
            '{"a.b": {"$gt": ""}, "$oid": 5, "$date": "x"}',
        ),
        (
            '{"":"","__proto__":{},"constructor":null}',
            '{"": "", "__proto__": {}, "constructor": null}',
        ),
        ('{"a":1,"a":{"b":2,"b":3},"\\u0061":4}', '{"a": 4}'),
        ('{"a\\u0000":"\\u0000\\ud800"}', '{"a�": "��"}'),
        ('{"\\u0000":1,"\\ud800":2}', '{"�": 2}'),
        (r'{"a":"\\u0000 \\\u0000"}', r'{"a": "\\u0000 \\�"}'),
        (r'{"a":"\ud83d\ude00\udc00"}', '{"a": "😀�"}'),
        ('{"a":"\\"\\\\.\\n\\t\\r\\\\N"}', '{"a": "\\"\\\\.\\n\\t\\r\\\\N"}'),
        (
            '{"a":"%s %(x)s {0} $1 \'; DROP TABLE x;--"}',
            '{"a": "%s %(x)s {0} $1 \'; DROP TABLE x;--"}',
        ),
        ('{"a":[-0,-0.0,1e2,1E-2,1.50]}', '{"a": [0, 0.0, 100, 0.01, 1.50]}'),
        ('{"a":"\u2028\u202e\ufeff\uffff\x7f"}', '{"a": "\u2028\u202e\ufeff\uffff\x7f"}'),
    ],
)
def test_what_is_odd_is_stored_as_it_came(engagement, custom, indexed):
    text = text_of(engagement, custom, ',"agentName":"\\u0000%s"')

    row = store(text)

    row.refresh_from_db()
    assert (row.document, row.custom, row.agent_name) == (text, indexed, "%s")


@pytest.mark.parametrize(
    "custom",
    [
        '{"a":' + "9" * 4300 + "}",
        '{"a":' + "9" * 4298 + ".5e1000}",
        '{"a":0.' + "1" * 4298 + "e-1000}",
        '{"a":1e400,"b":-1E+1000,"c":1e-1000}',
        '{"a":' + "[" * 98 + "]" * 98 + "}",
        '{"a":' * 99 + "1" + "}" * 99,
        '{"a":"' + "x" * 3000 + '"}',
        '{"' + "k" * 100_000 + '":1}',
        '{"a":[' + ",".join(f"{number}.5" for number in range(50_000)) + "]}",
        "{" + ",".join(f'"k{number}":1' for number in range(50_000)) + "}",
        '{"a":[' + "[]," * 100_000 + "0]}",
        '{"a":[' + ",".join(f'"w{number}"' for number in range(200_000)) + "]}",
        '{"a":"' + " ".join(f"w{number}" for number in range(200_000)) + '"}',
        '{"a":"' + "é-b/c.d@e " * 20_000 + '"}',
    ],
    ids=[
        *("whole number", "large number", "small number", "exponents", "deep array"),
        *("deep object", "long word", "long name", "numbers", "names", "arrays", "words apart"),
        *("words in a row", "signs"),
    ],
)
def test_what_is_large_is_stored_as_it_came(engagement, custom):
    text = text_of(engagement, custom)

    assert store(text).document == text


@pytest.mark.parametrize(
    "custom",
    [
        *("NaN", '{"a":Infinity}', '{"a":-Infinity}', '{"a":1e1001}', '{"a":' + "9" * 4301 + "}"),
        '{"a":' + "9" * 5000 + ".0}",
        '{"a":[' + "1e1000," * 20_000 + "0]}",
        *('{"a":' * n + "1" + "}" * n for n in (100, 1000, 100_000)),
        *('{"a":' + "[" * n + "]" * n + "}" for n in (99, 1000, 100_000)),
        *('{"a":"\x00"}', '{"a":"\n"}', "{'a':1}", '{"a":1,}', '{"a":01}', '{"a":.5}', "{} x", ""),
        *('{"a":"\ud800"}', '{"a":"\\x"}', '{"a":"\\u12"}', '{"a":"', "[]", "1", "{}}"),
        '{},"custom":{}',
        '{},"$where":1',
    ],
)
def test_what_cannot_be_kept_is_refused(engagement, custom):
    with pytest.raises(BadDocument):
        store(text_of(engagement, custom))
    assert not Interaction.objects.exists()


def test_16_mb_are_stored_and_a_byte_more_is_not(engagement):
    room = 16 * MB - len(text_of(engagement, '{"a":""}'))

    with pytest.raises(TooLarge):
        store(text_of(engagement, '{"a":"' + "x" * (room + 1) + '"}'))
    text = text_of(engagement, '{"a":"' + "x" * room + '"}')
    row, _ = services.create_interaction(document=read_interaction(text))

    assert row.document == text
    with pytest.raises(TooLarge):
        services.change_interaction(interaction_id=ID, changes={"agentName": '"x"'})
    services.change_interaction(interaction_id=ID, changes={"sourceId": '"' + "é" * 200 + '"'})


def test_one_that_is_hostile_does_not_spoil_its_batch(engagement):
    other = text_of(engagement, '{"a":"\\u0000"}').replace(ID, ID[:-1] + "e")
    wrong = text_of(engagement, "{}", ',"customer":"\'; DROP TABLE x;--","order":"%s"')

    results = services.create_interactions(
        documents=[read_interaction(text) for text in (wrong, other)]
    )

    assert [each.outcome.value for each in results] == ["failed", "created"]
    assert isinstance(results[0].error, DomainError)
