"""Interactions of other systems read, and what is wrong with them told."""

from datetime import UTC, datetime

import pytest

from conversations import documents
from conversations.documents import InteractionDocument, extended, read_interaction, with_id
from conversations.exceptions import BadDocument, TooLarge

ID = "5f18d12f42262eec0d43567d"
ENGAGEMENT = "5f18d12f42262eec0d435583"
SAMPLE = (
    '{"_id":{"$oid":"5f18d12f42262eec0d43567d"},"engagementId":{"$oid":"5f18d12f42262eec0d435583"},'
    '"interactionDate":{"$date":1589630400000},"agentName":"John Ford","sentiment":"Negative",'
    '"custom":{"csvName":"2020_16_05_report.csv","agentFirstName":"John","agentLastName":"Ford"}}'
)
ENDS = '"engagementId":{"$oid":"%s"},"interactionDate":{"$date":1589630400000}' % ENGAGEMENT  # noqa: UP031


def document(more="", before=""):
    """Return a document that has what it must, and more."""
    return "{" + before + ENDS + more + "}"


def errors(text, **options):
    with pytest.raises(BadDocument) as caught:
        read_interaction(text, **options)
    return {error.path[0]: error.code for error in caught.value.errors}


def test_the_sample_is_read_and_stays_as_it_is():
    assert read_interaction(SAMPLE) == InteractionDocument(
        text=SAMPLE,
        id=ID,
        engagement_id=ENGAGEMENT,
        interaction_date=datetime(2020, 5, 16, 12, 0, tzinfo=UTC),
        agent_name="John Ford",
        sentiment="Negative",
        custom='{"csvName":"2020_16_05_report.csv","agentFirstName":"John","agentLastName":"Ford"}',
        source_id="",
        customer="",
        order="",
    )


def test_spaces_numbers_and_the_order_of_members_stay_as_they_came():
    text = '{ "custom" : {"b": 1.50, "a": 12345678901234567890, "b": 1E2},\n' + ENDS + " }"

    read = read_interaction(f"\n {text}\r\n\t")

    assert read.text == text
    assert read.custom == '{"b": 1.50, "a": 12345678901234567890, "b": 1E2}'


def test_all_but_the_engagement_and_the_date_may_be_left_out_or_null():
    nulls = ',"agentName":null,"sentiment":null,"custom":null'
    for text in (document(), document(nulls)):
        read = read_interaction(text)
        assert (read.text, read.id, read.agent_name, read.sentiment) == (text, "", "", "")
        assert (read.custom, read.source_id, read.customer, read.order) == ("{}", "", "", "")
    assert errors("{}") == {"engagementId": "required", "interactionDate": "required"}
    assert errors('{"engagementId":null,"interactionDate":null}') == {
        "engagementId": "required",
        "interactionDate": "required",
    }


def test_an_id_that_is_null_is_none():
    read = read_interaction(document(before='"_id":null, '))

    assert (read.id, read.text) == ("", document())


def test_ids_in_capitals_are_the_same_ids():
    text = '{"_id":{"$oid":"%s"},%s}' % (ID.upper(), ENDS)  # noqa: UP031
    read = read_interaction(text)

    assert (read.id, read.text) == (ID, text)


@pytest.mark.parametrize(
    "text",
    [
        '{"interactionDate":{"$date":1}}',
        '{"engagementId":null,"interactionDate":{"$date":1}}',
    ],
)
def test_an_engagement_may_be_known_from_elsewhere(text):
    read = read_interaction(text, engagement_id=ENGAGEMENT)

    assert read.engagement_id == ENGAGEMENT
    again = read_interaction(read.text)
    assert (again.text, again.engagement_id) == (read.text, ENGAGEMENT)
    assert read_interaction(document(), engagement_id=ENGAGEMENT).text == document()


def test_an_engagement_from_elsewhere_is_no_other_than_its_own():
    assert errors(document(), engagement_id=ID) == {"engagementId": "wrong_engagement"}
    wrong = '{"engagementId":"x","interactionDate":{"$date":1}}'
    assert errors(wrong, engagement_id=ID) == {"engagementId": "invalid"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('{"$date":"2020-05-16T12:00:00Z"}', '{"$date":1589630400000}'),
        ('{"$date":"2020-05-16T15:00:00.123999+03:00"}', '{"$date":1589630400123}'),
        ('{"$date": {"$numberLong": "-5"}}', '{"$date":-5}'),
        ('{ "$date" : 5 }', '{ "$date" : 5 }'),
    ],
)
def test_a_date_of_another_mode_is_written_in_legacy_mode(value, expected):
    before, behind = '{"interactionDate": ', ' , "engagementId":{"$oid":"%s"}}' % ENGAGEMENT  # noqa: UP031
    assert read_interaction(before + value + behind).text == before + expected + behind


@pytest.mark.parametrize("place", ["front", "back"])
def test_own_members_are_taken_out_whatever_their_place(place):
    own = '"sourceId":"s-1","customer":"C1","order":"1001"'
    text = document(before=own + ",") if place == "front" else document(more="," + own)

    read = read_interaction(text)

    assert read.text == document()
    assert (read.source_id, read.customer, read.order) == ("s-1", "C1", "1001")


def test_what_is_shown_is_read_as_what_was_stored():
    text = with_id('{\n  "custom": {} ,\n  ' + ENDS + "\n}", ID)
    shown = extended(text, source_id="é\n", customer="C1", order="1001")

    read = read_interaction(shown)

    assert (read.text, read.source_id, read.customer, read.order) == (text, "é\n", "C1", "1001")


def test_everything_that_is_wrong_is_told_at_once():
    text = (
        '{"_id":"x","engagementId":{"$oid":"x"},"interactionDate":true,"agentName":5,'
        '"sentiment":["x"],"custom":[],"sourceId":1,"customer":{},"order":true,"more":1}'
    )

    assert errors(text) == {
        "_id": "invalid",
        "engagementId": "invalid",
        "interactionDate": "invalid",
        "agentName": "invalid",
        "sentiment": "invalid",
        "custom": "invalid",
        "sourceId": "invalid",
        "customer": "invalid",
        "order": "invalid",
        "more": "unknown_field",
    }


def test_of_very_many_errors_the_first_are_told():
    many = "".join(f',"k{number}":1' for number in range(1000))

    found = errors(document(many))

    assert found == {f"k{number}": "unknown_field" for number in range(20)}


@pytest.mark.parametrize(
    ("name", "most"),
    [("agentName", 200), ("sentiment", 64), ("sourceId", 200), ("customer", 32), ("order", 32)],
)
def test_words_have_the_length_of_their_columns(name, most):
    read_interaction(document(f',"{name}":"{"é" * most}"'))
    assert errors(document(f',"{name}":"{"é" * (most + 1)}"')) == {name: "max_length"}


def test_what_no_column_holds_stays_in_the_text_alone():
    text = document(r',"agentName":"a\u0000b\ud800","sentiment":"\u0000"')

    read = read_interaction(text)

    assert (read.text, read.agent_name, read.sentiment) == (text, "ab?", "")


@pytest.mark.parametrize("name", ["sourceId", "customer", "order"])
@pytest.mark.parametrize("value", [r"\u0000", r"a\u0000", r"\ud800"])
def test_own_members_cannot_have_what_no_column_holds(name, value):
    assert errors(document(f',"{name}":"{value}"')) == {name: "invalid"}


def test_a_member_is_not_there_twice():
    assert errors(document(',"custom":{},"\\u0063ustom":{}')) == {"custom": "duplicate_key"}


def test_keys_with_a_dollar_are_the_sources_own():
    custom = '{"$where":"sleep(1000)","$date":"x","a":{"$oid":5,"$ne":null},"$oid":1}'

    read = read_interaction(document(f',"custom":{custom}'))

    assert read.custom == custom


def test_a_document_has_16_mb_at_most_with_the_id_that_it_gets(monkeypatch):
    # In bytes, as in MongoDB.
    limit = 40_000
    monkeypatch.setattr(documents.reading, "LARGEST", limit)

    def of_size(size, ident, own=""):
        text = document(own, before=f'"_id":{{"$oid":"{ID}"}},' if ident else "")
        room = size - len(text.encode()) - len(',"custom":{"a":""}')
        more = own + ',"custom":{"a":"' + "é" * (room // 2) + "x" * (room % 2) + '"}'
        return document(more, before=f'"_id":{{"$oid":"{ID}"}},' if ident else "")

    assert len(of_size(limit, ident=True).encode()) == limit
    assert len(read_interaction(of_size(limit, ident=True)).text.encode()) == limit
    # Own members are not of the document.
    with_own = read_interaction(of_size(limit + 20, ident=True, own=',"customer":"C12345"'))
    assert len(with_own.text.encode()) == limit
    stored = with_id(read_interaction(of_size(limit - 42, ident=False)).text, ID)
    assert len(stored.encode()) == limit
    for text in (
        of_size(limit + 1, ident=True),
        of_size(limit - 41, ident=False),
        of_size(limit + 10_000, ident=True),
    ):
        with pytest.raises(TooLarge, match="16 MB"):
            read_interaction(text)
