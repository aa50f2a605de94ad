"""What the tables of conversations keep by themselves."""

import pytest
from django.db import DataError, IntegrityError, connection, transaction

from conversations.models import Client, Interaction

from .factories import ClientFactory, EngagementFactory, make_interaction

pytestmark = pytest.mark.django_db


def test_an_id_is_24_hex_digits():
    for wrong in ("x" * 24, "5F18D12F42262EEC0D43567D", "5f18"):
        with pytest.raises(IntegrityError, match="client_id_is_an_object_id"), transaction.atomic():
            ClientFactory(id=wrong)
    assert Client.objects.count() == 0


def test_custom_is_text_to_us_and_jsonb_to_the_database():
    row = make_interaction(custom='{"b": 12345678901234567890, "a": [1.50]}')
    with connection.cursor() as cursor:
        cursor.execute("SELECT jsonb_typeof(custom), custom->'b' FROM conversations_interaction")
        assert cursor.fetchone() == ("object", "12345678901234567890")
    row.refresh_from_db()
    assert row.custom == '{"a": [1.50], "b": 12345678901234567890}'
    with pytest.raises(DataError), transaction.atomic():
        make_interaction(custom='{"a": "\\u0000"}')


def test_a_source_names_an_interaction_once_in_its_engagement():
    row = make_interaction(source_id="x1")
    make_interaction(row.engagement)
    make_interaction(row.engagement)
    make_interaction(EngagementFactory(), source_id="x1")
    with (
        pytest.raises(IntegrityError, match="interaction_of_a_source_is_one"),
        transaction.atomic(),
    ):
        make_interaction(row.engagement, source_id="x1")


def test_words_are_of_the_agent_the_sentiment_and_all_texts_within():
    make_interaction(custom={"log": [{"text": "Café refunds"}], "n": 7})
    with connection.cursor() as cursor:
        cursor.execute("SELECT words::text FROM conversations_interaction")
        assert cursor.fetchone() == ("'cafe':4 'ford':2 'john':1 'negat':3 'refund':5",)


def test_words_of_a_document_with_too_many_are_those_that_fit():
    text = " ".join(f"w{number}" for number in range(300_000))
    row = make_interaction(custom={"text": f"first {text} last", "other": "end"})
    found = Interaction.objects.extra(where=["words @@ 'first'::tsquery"])
    assert list(found) == [row]
    assert not Interaction.objects.extra(where=["words @@ 'last'::tsquery"]).exists()
