"""Contacts in the timeline of their customer."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversations import services
from core.timeline import LONGEST_TEXT, Entry, Window
from customers.tests.factories import CustomerFactory

from .factories import WHEN, EngagementFactory, make_interaction

pytestmark = pytest.mark.django_db


@pytest.fixture
def customer(db):
    return CustomerFactory.create()


def read(customer, limit=10):
    return services.contacts_of(customer=customer, window=Window(kind="contact", limit=limit))


def test_a_contact_says_how_it_was_who_began_and_what_was_said(customer):
    contact = make_interaction(
        EngagementFactory.create(name="SMS"),
        customer=customer,
        custom={"text": "Mna chai\nleo?", "direction": "in", "phone": "+254722000000"},
    )
    make_interaction(customer=CustomerFactory.create())
    make_interaction()

    assert read(customer) == [
        Entry(
            at=WHEN,
            kind="contact",
            key=contact.pk,
            reference=contact.pk,
            title="SMS from the customer with John Ford",
            text="Mna chai leo?",
        )
    ]


@pytest.mark.parametrize(
    ("custom", "text"),
    [
        ({}, ""),
        ({"text": None}, ""),
        ({"text": 7}, "7"),
        ({"text": {"a": 1}, "direction": "sideways"}, '{"a": 1}'),
        ({"text": "x" * 1000}, "x" * (LONGEST_TEXT - 1) + "…"),
        ([], ""),
        ("7", ""),
    ],
)
def test_a_document_of_another_shape_is_shown_as_far_as_it_goes(customer, custom, text):
    make_interaction(customer=customer, custom=custom, agent_name="")

    assert [(each.title, each.text) for each in read(customer)] == [("Chat", text)]


def test_the_last_by_their_own_dates_come_first(customer):
    contacts = [
        make_interaction(customer=customer, interaction_date=WHEN + timedelta(days=days)).pk
        for days in (2, 3, 1)
    ]

    assert [each.key for each in read(customer)] == [contacts[1], contacts[0], contacts[2]]


def test_the_documents_stay_in_the_database(customer):
    make_interaction(customer=customer, custom={"text": "Hello.", "log": "secret"})

    with CaptureQueriesContext(connection) as captured:
        read(customer)

    [statement] = [each["sql"] for each in captured]
    shown = statement.partition(" FROM ")[0]
    assert '"document"' not in shown
    assert '"words"' not in shown
    assert shown.count('"custom"') == 2
