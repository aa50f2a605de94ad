"""Clients and engagements made, changed, deleted."""

import pytest

from conversations import services
from conversations.documents import read_interaction
from conversations.exceptions import ClientFixed, IdTaken, InUse
from conversations.models import Client, Engagement
from conversations.states import Channel
from core.errors import InvalidInput

from .factories import ClientFactory, EngagementFactory, make_interaction
from .races import while_uncommitted

pytestmark = pytest.mark.django_db

ID = "5f18d12f42262eec0d43567d"


def errors(error, call, **kwargs):
    with pytest.raises(error) as caught:
        call(**kwargs)
    return [(each.path, each.code) for each in caught.value.errors]


def test_a_client_is_made_with_an_id_of_its_own_or_a_new_one():
    named = services.create_client(name="Acme\x00 Ltd\ud800", nick_name="acme", ident=ID.upper())
    other = services.create_client(name="Other")

    assert list(Client.objects.filter(pk=ID).values_list("name", "nick_name", "is_shop")) == [
        ("Acme Ltd?", "acme", False)
    ]
    assert named.pk == ID
    assert len(other.pk) == 24
    assert (other.name, other.nick_name) == ("Other", "")


def test_an_engagement_is_made_of_a_client():
    client = ClientFactory()

    named = services.create_engagement(client_id=client.pk, name="SMS", ident=ID)
    other = services.create_engagement(client_id=client.pk, name="SMS")

    assert (named.pk, named.client, named.name, named.channel) == (ID, client, "SMS", None)
    assert set(client.engagements.all()) == {named, other}


@pytest.mark.parametrize(
    ("fields", "where", "code"),
    [
        ({"name": ""}, "name", "required"),
        ({"name": "\x00"}, "name", "required"),
        ({"name": "x" * 201}, "name", "max_length"),
        ({"name": "x", "ident": "x" * 24}, "id", "invalid"),
    ],
)
def test_what_cannot_be_is_refused(fields, where, code):
    client = ClientFactory()

    assert errors(InvalidInput, services.create_client, **fields) == [((where,), code)]
    assert errors(InvalidInput, services.create_engagement, client_id=client.pk, **fields) == [
        ((where,), code)
    ]
    assert Client.objects.get() == client
    assert not Engagement.objects.exists()


def test_a_nick_name_may_be_empty_but_not_too_long():
    assert services.create_client(name="x", nick_name="y" * 200).nick_name == "y" * 200
    assert errors(InvalidInput, services.create_client, name="x", nick_name="y" * 201) == [
        (("nick_name",), "max_length")
    ]


def test_an_id_is_given_once():
    engagement = EngagementFactory()
    client = engagement.client

    assert errors(IdTaken, services.create_client, name="x", ident=client.pk) == [
        (("id",), "id_taken")
    ]
    assert errors(
        IdTaken,
        services.create_engagement,
        client_id=client.pk,
        name="x",
        ident=engagement.pk,
    ) == [(("id",), "id_taken")]
    assert Client.objects.get().name == client.name
    assert Engagement.objects.get().name == "Chat"


def test_an_engagement_is_of_a_client_that_is_there():
    assert errors(InvalidInput, services.create_engagement, client_id=ID, name="x") == [
        (("client",), "not_found")
    ]


def test_a_client_is_changed_field_by_field():
    client = ClientFactory(name="Old", nick_name="old")

    services.update_client(client_id=client.pk, name="New")
    services.update_client(client_id=client.pk, nick_name="new")
    changed = services.update_client(client_id=client.pk)

    assert (changed.name, changed.nick_name) == ("New", "new")
    assert changed.updated_at > client.updated_at
    assert errors(InvalidInput, services.update_client, client_id=client.pk, name="") == [
        (("name",), "required")
    ]
    with pytest.raises(Client.DoesNotExist):
        services.update_client(client_id=ID, name="x")


def test_an_engagement_is_renamed_but_stays_with_its_client():
    engagement = EngagementFactory()

    changed = services.update_engagement(
        engagement_id=engagement.pk, name="Phone", client_id=engagement.client_id
    )

    assert Engagement.objects.get() == changed
    assert changed.name == "Phone"
    assert errors(
        ClientFixed,
        services.update_engagement,
        engagement_id=engagement.pk,
        name="x",
        client_id=ClientFactory().pk,
    ) == [(("client",), "client_fixed")]
    assert services.update_engagement(engagement_id=engagement.pk).name == "Phone"
    with pytest.raises(Engagement.DoesNotExist):
        services.update_engagement(engagement_id=ID, name="x")


def test_what_nothing_belongs_to_is_deleted():
    engagement, other = EngagementFactory(), EngagementFactory()

    services.delete_engagement(engagement_id=engagement.pk)
    services.delete_engagement(engagement_id=engagement.pk)
    services.delete_client(client_id=engagement.client_id)
    services.delete_client(client_id=engagement.client_id)

    assert Engagement.objects.get() == other
    assert Client.objects.get() == other.client


def test_what_others_belong_to_is_not_deleted():
    row = make_interaction()

    with pytest.raises(InUse, match="It has interactions"):
        services.delete_engagement(engagement_id=row.engagement_id)
    with pytest.raises(InUse, match="It has engagements"):
        services.delete_client(client_id=row.client_id)
    assert Engagement.objects.get() == row.engagement


def test_the_shops_own_are_not_deleted():
    engagement = services.own_engagement(channel=Channel.PHONE)

    with pytest.raises(InUse, match="the shop's own channels"):
        services.delete_engagement(engagement_id=engagement.pk)
    with pytest.raises(InUse, match="the shop itself"):
        services.delete_client(client_id=engagement.client_id)
    assert Client.objects.get().is_shop


@pytest.mark.django_db(transaction=True)
def test_a_client_that_gets_an_engagement_meanwhile_stays():
    client = ClientFactory()

    refused = while_uncommitted(
        lambda: services.create_engagement(client_id=client.pk, name="SMS"),
        lambda: services.delete_client(client_id=client.pk),
    )

    assert isinstance(refused, InUse)
    assert client.engagements.count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_engagement_of_a_client_that_is_deleted_meanwhile_is_refused():
    client = ClientFactory()

    refused = while_uncommitted(
        lambda: services.delete_client(client_id=client.pk),
        lambda: services.create_engagement(client_id=client.pk, name="SMS"),
    )

    assert isinstance(refused, InvalidInput)
    assert [each.path for each in refused.errors] == [("client",)]


@pytest.mark.django_db(transaction=True)
def test_an_engagement_that_gets_an_interaction_meanwhile_stays():
    engagement = EngagementFactory()

    document = read_interaction(
        f'{{"engagementId":{{"$oid":"{engagement.pk}"}},"interactionDate":{{"$date":0}}}}'
    )

    refused = while_uncommitted(
        lambda: services.create_interaction(document=document),
        lambda: services.delete_engagement(engagement_id=engagement.pk),
    )

    assert isinstance(refused, InUse)
    assert engagement.interactions.count() == 1
