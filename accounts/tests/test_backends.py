"""What each right, role and machine lets somebody do, however they come."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from accounts.models import Machine, Membership, User
from accounts.services import machines, memberships
from accounts.states import Role, Source

from .callers import Caller, bearer, employee, fresh, keeper, membership_of, person

pytestmark = pytest.mark.django_db

# Written out, so that a change of what a right means is seen here.
MEANS = {
    "see_orders": {
        "orders.view_order",
        "shipping.view_shipment",
        "catalog.view_product",
        "notifications.view_message",
    },
    "handle_orders": {
        "orders.view_order",
        "orders.handle_order",
        "shipping.view_shipment",
        "shipping.handle_shipment",
        "shipping.handle_standingorder",
        "catalog.view_product",
        "customers.view_customer",
        "notifications.view_message",
        "notifications.handle_message",
    },
    "manage_carriers": {
        "shipping.view_shipment",
        "shipping.manage_carriers",
        "catalog.view_product",
    },
    "see_bookings": {
        "bookings.view_booking",
        "catalog.view_product",
        "notifications.view_message",
    },
    "handle_bookings": {
        "bookings.view_booking",
        "bookings.handle_booking",
        "catalog.view_product",
        "customers.view_customer",
        "notifications.view_message",
        "notifications.handle_message",
    },
    "see_repairs": {
        "repairs.view_job",
        "catalog.view_product",
        "notifications.view_message",
    },
    "handle_repairs": {
        "repairs.view_job",
        "repairs.handle_job",
        "catalog.view_product",
        "notifications.view_message",
        "notifications.handle_message",
    },
    "manage_sources": {
        "repairs.view_job",
        "repairs.manage_sources",
        "catalog.view_product",
    },
    "see_conversations": {
        "conversations.view_interaction",
        "catalog.view_product",
        "customers.view_customer",
    },
    "handle_conversations": {
        "conversations.view_interaction",
        "conversations.handle_interaction",
        "catalog.view_product",
        "customers.view_customer",
        "notifications.view_message",
    },
    "manage_catalogue": {
        "catalog.view_product",
        "catalog.manage_catalogue",
        "bookings.manage_services",
    },
    "manage_customers": {
        "catalog.view_product",
        "customers.view_customer",
        "customers.manage_customers",
        "notifications.change_consents",
    },
    "see_reports": {"catalog.view_product", "accounts.see_reports"},
    "manage_employees": {"catalog.view_product", "accounts.manage_employees"},
}
MACHINERY = {"core.view_periodicjob", "core.change_periodicjob", "core.view_worker"}
ALL = set().union(*MEANS.values()) | MACHINERY | {"notifications.manage_templates"}


def test_the_list_of_rights_is_this(settings):
    assert set(settings.SHOP_RIGHTS) == set(MEANS)


@pytest.mark.parametrize("right", MEANS)
def test_a_right_gives_an_employee_or_a_machine_just_its_permissions(right):
    baraka = employee(right)
    till, _ = machines.create_machine(by=None, name="Till", rights=[right])

    for user in (baraka, fresh(till.user)):
        assert user.get_all_permissions() == MEANS[right]
        assert {each for each in ALL if user.has_perm(each)} == MEANS[right]


def test_several_add_up_and_none_gives_nothing():
    assert employee("see_reports", "manage_catalogue").get_all_permissions() == (
        MEANS["see_reports"] | MEANS["manage_catalogue"]
    )
    assert employee(name="Halima").get_all_permissions() == set()
    assert person().get_all_permissions() == set()
    assert AnonymousUser().get_all_permissions() == set()
    assert not AnonymousUser().has_perm("orders.view_order")


def test_a_shopkeeper_may_everything_in_the_shop_and_nothing_of_djangos_own():
    njeri = keeper()

    assert njeri.get_all_permissions() == ALL
    assert not njeri.has_perm("accounts.delete_user")
    assert not njeri.has_perm("orders.view_order", object())


def test_a_right_that_is_no_longer_gives_nothing():
    baraka = employee("see_reports")
    Membership.objects.filter(user=baraka).update(rights=["of_old", "see_reports"])

    assert fresh(baraka).get_all_permissions() == MEANS["see_reports"]


def test_memberships_of_both_sources_add_up():
    keeper()
    baraka = employee("see_orders")
    provided = Membership.objects.create(
        user=baraka, role=Role.EMPLOYEE, source=Source.OIDC, rights=["see_reports"]
    )
    assert fresh(baraka).get_all_permissions() == MEANS["see_orders"] | MEANS["see_reports"]

    memberships.suspend(membership_id=provided.pk, by=None)
    assert fresh(baraka).get_all_permissions() == MEANS["see_orders"]


def test_the_admin_shows_the_apps_of_which_somebody_may_something():
    baraka = employee("manage_catalogue")

    assert baraka.has_module_perms("catalog")
    assert not baraka.has_module_perms("orders")


def test_a_superuser_may_everything_and_the_deactivated_nothing():
    root = User.objects.create(username="root", is_superuser=True)
    assert root.has_perm("accounts.delete_user")
    assert root.has_perm("orders.handle_order")

    for user in (root, keeper()):
        User.objects.filter(pk=user.pk).update(is_active=False)
        assert not fresh(user).has_perm("orders.view_order")
        assert fresh(user).get_all_permissions() == set()


@pytest.mark.parametrize("end", ["suspended", "removed", "deactivated"])
def test_it_ends_at_once_in_a_session_and_with_a_token_alike(end):
    njeri, baraka = keeper(), employee("see_orders")
    session, token = Caller(baraka), bearer(baraka.subject)

    def answers():
        return [
            session.get("/messages/").status_code,
            Caller().get("/messages/", **token).status_code,
        ]

    assert answers() == [200, 200]

    key = membership_of(baraka).pk
    if end == "suspended":
        memberships.suspend(membership_id=key, by=njeri)
    elif end == "removed":
        memberships.remove(membership_id=key, by=njeri)
    else:
        User.objects.filter(pk=baraka.pk).update(is_active=False)

    assert answers() == ([401, 401] if end == "deactivated" else [403, 403])


@pytest.mark.parametrize(
    "end",
    [
        {"revoked_at": timezone.now()},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
    ],
    ids=["revoked", "expired"],
)
def test_a_machine_ends_at_once_whatever_token_it_holds(end):
    till, _ = machines.create_machine(by=None, name="Till", rights=["see_orders"])
    token = bearer(till.client_id)
    assert Caller().get("/messages/", **token).status_code == 200
    assert Machine.objects.get().last_used_at is not None

    Machine.objects.update(**end)

    assert fresh(till.user).get_all_permissions() == set()
    response = Caller().get("/messages/", **token)
    assert response.status_code == 401
    assert response.json()["detail"] == "This machine's access has ended."


def test_a_request_asks_once_for_what_somebody_may(django_assert_num_queries):
    baraka = employee("see_orders")

    # Memberships, whether they are a machine, and the two of ModelBackend: user and groups.
    with django_assert_num_queries(4):
        assert [baraka.has_perm(each) for each in sorted(ALL)].count(True) == 4
