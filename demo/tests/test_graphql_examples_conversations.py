"""The example documents of conversations, asked of the demo shop."""

import json

import pytest
from django.core.cache import cache
from django.core.management import call_command

from customers.models import Customer
from notifications.models import Message

from .test_graphql_examples import signed_in

pytestmark = pytest.mark.django_db

SAMPLE = (
    '{"_id":{"$oid":"5f18d12f42262eec0d43567d"},"engagementId":{"$oid":"5f18d12f42262eec0d435583"},'
    '"interactionDate":{"$date":1589630400000},"agentName":"John Ford","sentiment":"Negative",'
    '"custom":{"csvName":"2020_16_05_report.csv","agentFirstName":"John","agentLastName":"Ford"}}'
)


@pytest.fixture
def baraka(db):
    cache.clear()
    call_command("load_demo", verbosity=0)
    return signed_in("employee")


def test_the_employee_reads_the_sample_and_finds_others(baraka):
    assert baraka.example("interaction")["document"] == SAMPLE

    found = baraka.example("find-contacts")["nodes"]
    assert found
    for each in found:
        assert json.loads(each["custom"])["rating"] <= 2
        assert "refund" in each["custom"].lower()


def test_the_employee_takes_a_call_down_and_answers_it(baraka):
    [customer] = Customer.objects.filter(phone="+254722000000")

    call = baraka.done("record-contact")["interaction"]
    assert call["agentName"] == "Baraka Mwangi"
    assert call["customer"] == {"code": customer.code, "name": customer.name}

    reply = baraka.done("reply-to-contact", id=call["id"])["interaction"]
    assert json.loads(reply["custom"]) == {
        "text": "We have it again. Come by before six.",
        "direction": "out",
        "phone": "+254722000000",
    }
    told = Message.objects.get(event="conversation.reply")
    assert (told.to, told.body) == ("+254722000000", "We have it again. Come by before six.")
