"""One document stored, changed, replaced, deleted."""

import pytest

from conversations import services
from conversations.documents import extended, read_interaction
from conversations.exceptions import BadDocument, IdTaken
from conversations.models import Interaction
from core.tests.races import at_once
from customers.models import Customer
from customers.services import delete_customer
from customers.tests.factories import CustomerFactory
from orders.tests.factories import OrderFactory

from .factories import EngagementFactory, make_interaction
from .races import while_uncommitted

pytestmark = pytest.mark.django_db

ID = "5f18d12f42262eec0d43567d"
OTHER = "5f18d12f42262eec0d43567e"


def text_of(engagement, more="", ident=ID):
    before = f'"_id":{{"$oid":"{ident}"}},' if ident else ""
    return (
        f'{{{before}"engagementId":{{"$oid":"{engagement.pk}"}},'
        f'"interactionDate":{{"$date":1589630400000}}{more}}}'
    )


def document(engagement, more="", ident=ID):
    return read_interaction(text_of(engagement, more, ident))


def create(engagement, more="", ident=ID):
    return services.create_interaction(document=document(engagement, more, ident))


def change(row, **changes):
    return services.change_interaction(interaction_id=row.pk, changes=changes)


def shown(row):
    return extended(
        row.document,
        source_id=row.source_id,
        customer=row.customer.code if row.customer else "",
        order=row.order.number if row.order else "",
    )


def errors(error, call, *args, **kwargs):
    with pytest.raises(error) as caught:
        call(*args, **kwargs)
    return [(each.path, each.code) for each in caught.value.errors]


@pytest.fixture
def engagement():
    return EngagementFactory()


def test_a_document_is_stored_with_what_it_is_found_by(engagement):
    order = OrderFactory()
    customer = order.customer
    custom = '{"b": "a\\tb\\\\c\\n\\u0000é\t", "a": 1.50}'.replace("\t", "")
    more = f',"agentName":"Jo\\t\\\\N","sentiment":"\\n","custom":{custom},"sourceId":"\\\\.\\r"'

    row, made = create(engagement, f'{more},"customer":"{customer.code}","order":"{order.number}"')

    assert made
    row.refresh_from_db()
    assert row.document == text_of(engagement, more.partition(',"sourceId"')[0])
    assert (row.pk, row.client_id, row.engagement) == (ID, engagement.client_id, engagement)
    assert row.interaction_date.isoformat() == "2020-05-16T12:00:00+00:00"
    assert (row.agent_name, row.sentiment, row.source_id) == ("Jo\t\\N", "\n", "\\.\r")
    assert (row.customer, row.order) == (customer, order)
    assert row.custom == '{"a": 1.50, "b": "a\\tb\\\\c\\n�é"}'
    assert row.created_at == row.updated_at


def test_without_an_id_it_gets_one_in_front(engagement):
    row, made = create(engagement, ident="")

    assert made
    assert row.document == text_of(engagement, ident=row.pk)


def test_the_very_same_is_there_already(engagement):
    first, _ = create(engagement, ',"custom":{"a":1}')

    assert create(engagement, ',"custom":{"a":1}') == (first, False)
    assert Interaction.objects.count() == 1


def test_by_its_source_it_is_known_without_an_id(engagement):
    first, _ = create(engagement, ',"sourceId":"s1"', ident="")
    elsewhere, made = create(EngagementFactory(), ',"sourceId":"s1"', ident="")

    assert made
    assert create(engagement, ',"sourceId":"s1"', ident="") == (first, False)
    assert create(engagement, ',"sourceId":"s1"', ident=first.pk) == (first, False)
    assert create(engagement, ident=first.pk) == (first, False)
    assert Interaction.objects.count() == 2
    assert elsewhere.pk != first.pk


def test_by_its_source_it_is_known_wherever_its_id_stands(engagement):
    behind = f',"sourceId":"s1","_id":{{"$oid":"{ID}"}}'
    first, _ = create(engagement, behind, ident="")

    assert first.document.endswith(f',"_id":{{"$oid":"{ID}"}}}}')
    assert create(engagement, ',"sourceId":"s1"', ident="") == (first, False)
    assert errors(IdTaken, create, engagement, ',"sourceId":"s1","custom":{}', ident="") == [
        (("sourceId",), "id_taken")
    ]


def test_its_links_do_not_make_it_another(engagement):
    customer = CustomerFactory()
    row, _ = create(engagement, f',"customer":"{customer.code}"')

    assert create(engagement) == (row, False)
    assert create(engagement, ',"customer":"gone"') == (row, False)


@pytest.mark.parametrize(
    ("more", "ident", "where"),
    [
        ("", ID, "_id"),
        (',"custom":{"a": 1},"sourceId":"s2"', ID, "_id"),
        (',"custom":{"a": 1},"sourceId":"s1"', OTHER, "sourceId"),
        (',"custom":{"a":1},"sourceId":"s1"', "", "sourceId"),
    ],
)
def test_another_document_does_not_take_its_place(engagement, more, ident, where):
    row, _ = create(engagement, ',"custom":{"a": 1},"sourceId":"s1"')

    assert errors(IdTaken, create, engagement, more, ident) == [((where,), "id_taken")]
    assert Interaction.objects.get() == row


def test_what_it_names_must_be_there(engagement):
    gone = EngagementFactory.build(pk=OTHER)
    unknown = ',"customer":"nobody","order":"none"'

    assert errors(BadDocument, create, gone, unknown) == [
        (("engagementId",), "not_found"),
        (("customer",), "not_found"),
        (("order",), "not_found"),
    ]
    assert not Interaction.objects.exists()


def test_who_was_forgotten_is_not_found_but_their_order_is(engagement):
    order = OrderFactory()
    Customer.objects.update(forgotten_at="2020-01-01T00:00Z")
    code = f',"customer":"{order.customer.code}"'

    assert errors(BadDocument, create, engagement, code) == [(("customer",), "not_found")]
    row, _ = create(engagement, f',"order":"{order.number}"')
    assert (row.customer, row.order) == (None, order)


def test_an_order_brings_its_customer(engagement):
    order, other = OrderFactory(), CustomerFactory()

    row, _ = create(engagement, f',"order":"{order.number}"')

    assert row.customer == order.customer
    wrong = f',"order":"{order.number}","customer":"{other.code}"'
    assert errors(BadDocument, create, engagement, wrong, OTHER) == [(("order",), "wrong_customer")]


def test_one_document_takes_few_statements(engagement, django_assert_num_queries):
    customer = CustomerFactory()
    # Its engagement, whether it is there, COPY, what is stored; and savepoints around two of them.
    with django_assert_num_queries(8):
        create(engagement, ',"custom":{}')
    with django_assert_num_queries(9):
        create(engagement, f',"customer":"{customer.code}"', OTHER)


def test_members_are_changed_one_by_one(engagement):
    spaced = f'{{ "_id" : {{"$oid":"{ID}"}},\n "engagementId":{{"$oid":"{engagement.pk}"}} ,'
    text = spaced + ' "interactionDate":{"$date":5}, "custom": {"b": 1.0, "a": 2} }'
    row, _ = services.create_interaction(document=read_interaction(text))
    Interaction.objects.update(updated_at="2020-01-01T00:00Z")

    row = change(row, agentName='"Jane"', interactionDate='{"$date":"1970-01-01T00:00:00.007Z"}')

    assert row.document == text.replace("5}", "7}").replace(
        ' "a": 2} }', ' "a": 2},"agentName":"Jane" }'
    )
    assert (row.agent_name, row.interaction_date.isoformat()) == (
        "Jane",
        "1970-01-01T00:00:00.007000+00:00",
    )
    assert row.updated_at.year > 2020
    row = change(row, custom='{"c":"\\u0000"}', agentName=None)
    row.refresh_from_db()
    assert (row.custom, row.agent_name) == ('{"c": "�"}', "")
    assert row.document == text.replace("5}", "7}").replace('{"b": 1.0, "a": 2}', '{"c":"\\u0000"}')


def test_duka_s_own_members_are_changed_like_any_other(engagement):
    order, customer = OrderFactory(), CustomerFactory()
    row, _ = create(engagement)
    before = row.document

    row = change(row, sourceId='"s1"', customer=f'"{customer.code}"')
    assert (row.source_id, row.customer, row.order) == ("s1", customer, None)
    row = change(row, customer=None, order=f'"{order.number}"')
    assert (row.source_id, row.customer, row.order) == ("s1", order.customer, order)
    row = change(row, order="null", sourceId=None)
    assert (row.source_id, row.customer, row.order) == ("", order.customer, None)
    row = change(row, customer=None)
    assert (row.customer, row.document) == (None, before)


def test_links_that_cannot_be_are_refused_in_a_change(engagement):
    order, customer = OrderFactory(), CustomerFactory()
    row, _ = create(engagement, f',"order":"{order.number}"')

    for changes, where in (
        ({"customer": '"nobody"'}, ["customer", "order"]),
        ({"customer": f'"{customer.code}"'}, ["order"]),
        ({"order": '"none"'}, ["order"]),
    ):
        found = errors(BadDocument, change, row, **changes)
        assert [path[0] for path, _ in found] == where
    row.refresh_from_db()
    assert (row.customer, row.order) == (order.customer, order)


def test_links_that_are_not_changed_stay_whatever_became_of_them(engagement):
    order, other = OrderFactory(), CustomerFactory()
    row = make_interaction(engagement, customer=other, order=order)
    Customer.objects.filter(pk=other.pk).update(forgotten_at="2020-01-01T00:00Z")

    row = change(row, agentName='"Jane"')

    assert (row.agent_name, row.customer, row.order) == ("Jane", other, order)


def test_its_engagement_may_change_and_its_client_with_it(engagement):
    other = EngagementFactory()
    row, _ = create(engagement)

    row = change(row, engagementId=f'{{"$oid":"{other.pk}"}}')

    assert (row.engagement, row.client_id) == (other, other.client_id)
    assert row.document == text_of(other)


@pytest.mark.parametrize("ident", [None, "null", f'{{"$oid":"{OTHER}"}}'])
def test_its_id_never_changes(engagement, ident):
    row, _ = create(engagement)

    assert errors(BadDocument, change, row, _id=ident) == [(("_id",), "fixed")]
    assert change(row, _id=f'{{"$oid": "{ID}"}}').document == row.document.replace(
        '":"5f18d12f42262eec0d43567d', '": "5f18d12f42262eec0d43567d'
    )


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"interactionDate": None}, "interactionDate"),
        ({"interactionDate": "1"}, "interactionDate"),
        ({"more": "1"}, "more"),
        ({"custom": "[]"}, "custom"),
    ],
)
def test_a_change_that_spoils_the_document_is_refused(engagement, changes, where):
    row, _ = create(engagement)

    assert [path for path, _ in errors(BadDocument, change, row, **changes)] == [(where,)]
    assert Interaction.objects.get().document == row.document


def test_a_document_replaces_another_with_all_that_it_had(engagement):
    order, other = OrderFactory(), EngagementFactory()
    old = f',"agentName":"Jo","sourceId":"s1","order":"{order.number}","custom":{{"a":1}}'
    row, _ = create(engagement, old)

    row = services.replace_interaction(
        interaction_id=ID, document=document(other, ',"custom": {"b": 2}', ident="")
    )

    assert row.document == text_of(other, ',"custom": {"b": 2}')
    assert (row.agent_name, row.source_id, row.customer, row.order) == ("", "", None, None)
    assert (row.engagement, row.client_id) == (other, other.client_id)
    row.refresh_from_db()
    assert row.custom == '{"b": 2}'
    row = services.replace_interaction(interaction_id=ID, document=document(engagement, old))
    assert shown(row).endswith(
        f'"custom":{{"a":1}},"sourceId":"s1","customer":"{order.customer.code}","order":"{order.number}"}}'
    )


def test_a_document_is_not_replaced_by_what_cannot_stand_in_its_place(engagement):
    row, _ = create(engagement)
    create(engagement, ',"sourceId":"s1"', OTHER)

    def replace(*args, **kwargs):
        services.replace_interaction(interaction_id=ID, document=document(*args, **kwargs))

    assert errors(BadDocument, replace, engagement, ident=OTHER) == [(("_id",), "fixed")]
    gone = EngagementFactory.build(pk=OTHER)
    assert errors(BadDocument, replace, gone) == [(("engagementId",), "not_found")]
    assert errors(IdTaken, replace, engagement, ',"sourceId":"s1"') == [(("sourceId",), "id_taken")]
    assert errors(IdTaken, change, row, sourceId='"s1"') == [(("sourceId",), "id_taken")]
    assert Interaction.objects.get(pk=ID).document == row.document


def test_what_is_not_there_is_neither_changed_nor_replaced(engagement):
    with pytest.raises(Interaction.DoesNotExist):
        services.change_interaction(interaction_id=ID, changes={})
    with pytest.raises(Interaction.DoesNotExist):
        services.replace_interaction(interaction_id=ID, document=document(engagement))


def test_a_document_is_deleted(engagement):
    row, _ = create(engagement)
    other = make_interaction(engagement)

    services.delete_interaction(interaction_id=row.pk)
    services.delete_interaction(interaction_id=row.pk)

    assert Interaction.objects.get() == other


@pytest.mark.django_db(transaction=True)
def test_the_same_document_twice_at_once_is_stored_once():
    engagement = EngagementFactory()

    for more, ident in ((',"custom":{}', ID), (',"sourceId":"s1"', "")):
        outcomes = at_once([lambda m=more, i=ident: create(engagement, m, i)] * 6)
        assert sorted(made for _, made in outcomes) == [False] * 5 + [True]
        assert len({row.pk for row, _ in outcomes}) == 1
    assert Interaction.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_two_documents_with_one_id_at_once_one_is_stored():
    engagement = EngagementFactory()

    taken = while_uncommitted(
        lambda: create(engagement), lambda: create(engagement, ',"custom":{}')
    )

    assert isinstance(taken, IdTaken)
    assert Interaction.objects.get().document == text_of(engagement)


@pytest.mark.django_db(transaction=True)
def test_an_engagement_that_is_deleted_meanwhile_is_not_found():
    engagement = EngagementFactory()

    refused = while_uncommitted(
        lambda: services.delete_engagement(engagement_id=engagement.pk),
        lambda: create(engagement),
    )

    assert isinstance(refused, BadDocument)
    assert [each.path for each in refused.errors] == [("engagementId",)]


@pytest.mark.django_db(transaction=True)
def test_a_customer_who_is_deleted_meanwhile_is_not_found():
    engagement, customer = EngagementFactory(), CustomerFactory()

    refused = while_uncommitted(
        lambda: delete_customer(customer_id=customer.pk),
        lambda: create(engagement, f',"customer":"{customer.code}"'),
    )

    assert isinstance(refused, BadDocument)
    assert [each.path for each in refused.errors] == [("customer",)]


@pytest.mark.django_db(transaction=True)
def test_an_order_that_becomes_anothers_meanwhile_brings_them():
    engagement, order, target = EngagementFactory(), OrderFactory(), CustomerFactory()
    source = order.customer

    def merge():
        Customer.objects.select_for_update().get(pk=source.pk)
        type(order).objects.filter(pk=order.pk).update(customer=target)
        Interaction.objects.filter(customer=source).update(customer=target)

    row, _ = while_uncommitted(merge, lambda: create(engagement, f',"order":"{order.number}"'))

    assert (row.order, row.customer) == (order, target)


@pytest.mark.django_db(transaction=True)
def test_two_changes_at_once_both_stay():
    row, _ = create(EngagementFactory())

    while_uncommitted(lambda: change(row, agentName='"Jane"'), lambda: change(row, sentiment='"x"'))

    row.refresh_from_db()
    assert (row.agent_name, row.sentiment) == ("Jane", "x")
