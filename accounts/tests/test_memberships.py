"""Who works here: nobody gives or takes what they lack, and one shopkeeper is always left."""

from functools import partial

import pytest

from accounts.exceptions import (
    AlreadyEmployed,
    LastShopkeeper,
    NotYours,
    ProviderDecides,
    UnknownRight,
)
from accounts.models import AuditEntry, Membership, User
from accounts.services import memberships, people
from accounts.states import Action, Role, Source
from core.tests.races import at_once

from .callers import Caller, employee, fresh, keeper, membership_of, person

pytestmark = pytest.mark.django_db


def told(action):
    """What the audit log tells of an action: by whom, about whom, what."""
    entries = AuditEntry.objects.filter(action=action).order_by("pk")
    return [(each.actor, each.target, each.detail) for each in entries]


def as_it_was(membership):
    return Membership.objects.filter(pk=membership.pk).values().get()


class TestEmploy:
    def test_an_employee_gets_rights_in_the_order_of_the_settings_and_may_enter_the_admin(self):
        njeri, baraka = keeper(), person("Baraka")

        made = memberships.employ(
            user=baraka, role=Role.EMPLOYEE, rights=["see_reports", "see_orders"], by=njeri
        )

        assert (made.role, made.source, made.rights, made.suspended_at) == (
            Role.EMPLOYEE,
            Source.LOCAL,
            ["see_orders", "see_reports"],
            None,
        )
        assert fresh(baraka).roles == ["shop-employee"]
        assert fresh(baraka).is_staff
        assert not fresh(baraka).is_superuser
        assert told(Action.GRANTED)[-1] == (
            njeri,
            "Baraka",
            {"role": "shop-employee", "rights": ["see_orders", "see_reports"]},
        )

    def test_nobody_is_employed_twice(self):
        baraka = employee("see_orders")

        with pytest.raises(AlreadyEmployed):
            memberships.employ(user=baraka, role=Role.SHOPKEEPER)

        assert fresh(baraka).roles == ["shop-employee"]

    @pytest.mark.django_db(transaction=True)
    def test_nor_by_two_at_once(self):
        baraka = person("Baraka")

        outcomes = at_once([lambda: memberships.employ(user=baraka, role=Role.EMPLOYEE)] * 2)

        assert sorted(type(each).__name__ for each in outcomes) == ["AlreadyEmployed", "Membership"]
        assert Membership.objects.count() == 1


class TestChange:
    def test_rights_and_role_change_and_the_log_tells_what_was(self):
        njeri, baraka = keeper(), employee("see_orders")

        memberships.change_membership(
            membership_id=membership_of(baraka).pk, by=njeri, rights=["manage_catalogue"]
        )
        memberships.change_membership(
            membership_id=membership_of(baraka).pk, by=njeri, role=Role.SHOPKEEPER
        )

        changed = membership_of(baraka)
        assert (changed.role, changed.rights) == (Role.SHOPKEEPER, ["manage_catalogue"])
        was = {"role": "shop-employee", "rights": ["see_orders"]}
        now = {"role": "shop-employee", "rights": ["manage_catalogue"]}
        assert told(Action.GRANTED)[-2:] == [
            (njeri, "Baraka", {"was": was, **now}),
            (njeri, "Baraka", {"was": now, **now, "role": "shop-owner"}),
        ]

    def test_who_lacks_a_right_neither_gives_nor_takes_it(self):
        keeper()
        halima = employee("manage_employees", "see_orders", name="Halima")
        baraka = membership_of(employee("handle_orders"))
        change = partial(memberships.change_membership, membership_id=baraka.pk, by=halima)
        before = as_it_was(baraka)

        for rights in (["handle_orders", "manage_catalogue"], [], ["see_orders"]):
            with pytest.raises(NotYours, match="You can't grant what you may not do yourself"):
                change(rights=rights)
        assert as_it_was(baraka) == before

        # What she has herself she gives and takes, with what she lacks left as it is.
        assert change(rights=["see_orders", "handle_orders"]).rights == [
            "see_orders",
            "handle_orders",
        ]
        assert change(rights=["handle_orders"]).rights == ["handle_orders"]

    def test_only_a_shopkeeper_makes_one_or_touches_one(self):
        njeri = membership_of(keeper())
        keeper("Wanjiru")
        everything = employee(
            "see_orders",
            "handle_orders",
            "manage_catalogue",
            "manage_customers",
            "see_reports",
            "manage_employees",
            name="Halima",
        )
        baraka = membership_of(employee())
        attempts = [
            partial(memberships.change_membership, membership_id=baraka.pk, role=Role.SHOPKEEPER),
            partial(memberships.change_membership, membership_id=njeri.pk, role=Role.EMPLOYEE),
            partial(memberships.change_membership, membership_id=njeri.pk, rights=["see_orders"]),
            partial(memberships.suspend, membership_id=njeri.pk),
            partial(memberships.resume, membership_id=njeri.pk),
            partial(memberships.remove, membership_id=njeri.pk),
        ]
        before = as_it_was(njeri), as_it_was(baraka)

        for attempt in attempts:
            with pytest.raises(NotYours, match=r"Only a shopkeeper can (make|change)"):
                attempt(by=everything)

        assert (as_it_was(njeri), as_it_was(baraka)) == before

    def test_an_unknown_right_is_refused_and_named(self):
        baraka = membership_of(employee("see_orders"))

        with pytest.raises(UnknownRight) as refused:
            memberships.change_membership(
                membership_id=baraka.pk, by=keeper(), rights=["see_orders", "fly"]
            )

        error = refused.value.errors[0]
        assert (error.path, error.code, error.detail) == (
            ("rights", 1),
            "unknown_right",
            "There is no right 'fly'.",
        )
        assert as_it_was(baraka)["rights"] == ["see_orders"]

    def test_a_right_that_is_no_longer_goes_with_the_next_change(self):
        baraka = membership_of(employee("see_orders"))
        Membership.objects.filter(pk=baraka.pk).update(rights=["see_orders", "of_old"])
        njeri = keeper()

        memberships.suspend(membership_id=baraka.pk, by=njeri)
        memberships.resume(membership_id=baraka.pk, by=njeri)
        changed = memberships.change_membership(
            membership_id=baraka.pk, by=njeri, rights=["see_orders", "see_reports"]
        )

        assert changed.rights == ["see_orders", "see_reports"]


class TestSuspend:
    def test_a_suspension_takes_all_and_its_end_gives_it_back(self):
        njeri, baraka = keeper(), employee("see_orders")
        membership = membership_of(baraka)

        memberships.suspend(membership_id=membership.pk, by=njeri)
        memberships.suspend(membership_id=membership.pk, by=njeri)

        baraka = fresh(baraka)
        assert (baraka.roles, baraka.is_staff, baraka.get_all_permissions()) == ([], False, set())

        memberships.resume(membership_id=membership.pk, by=njeri)
        memberships.resume(membership_id=membership.pk, by=njeri)

        baraka = fresh(baraka)
        assert (baraka.roles, baraka.is_staff) == (["shop-employee"], True)
        assert baraka.has_perm("orders.view_order")
        assert told(Action.SUSPENDED) == [(njeri, "Baraka", {})]
        assert told(Action.RESUMED) == [(njeri, "Baraka", {})]

    @pytest.mark.parametrize("verb", [memberships.suspend, memberships.remove])
    def test_nobody_takes_by_it_what_they_lack(self, verb):
        keeper()
        halima = employee("manage_employees", "see_orders", name="Halima")
        more = membership_of(employee("see_orders", "handle_orders"))
        less = membership_of(employee("see_orders", name="Otieno"))
        before = as_it_was(more)

        with pytest.raises(NotYours, match="what you may not do yourself: Handle orders"):
            verb(membership_id=more.pk, by=halima)
        assert as_it_was(more) == before
        assert fresh(more.user).roles == ["shop-employee"]

        verb(membership_id=less.pk, by=halima)
        assert fresh(less.user).roles == []

    def test_rest_says_so(self):
        keeper()
        api = Caller(employee("manage_employees", name="Halima"))
        key = membership_of(employee("see_orders")).pk

        answers = [api.post(f"/employees/{key}/suspend/"), api.delete(f"/employees/{key}/")]

        assert [(each.status_code, each.json()["code"]) for each in answers] == [
            (403, "permission_denied")
        ] * 2

    @pytest.mark.parametrize("verb", [memberships.suspend, memberships.remove])
    def test_one_may_go_oneself_whatever_one_is(self, verb):
        keeper()
        halima = employee("manage_employees", "see_orders", name="Halima")
        Membership.objects.filter(user=halima).update(rights=["manage_employees", "of_old"])

        verb(membership_id=membership_of(halima).pk, by=fresh(halima))

        assert fresh(halima).roles == []

    def test_nobody_gives_back_by_it_what_they_lack(self):
        njeri, halima = keeper(), employee("manage_employees", name="Halima")
        membership = membership_of(employee("handle_orders"))
        memberships.suspend(membership_id=membership.pk, by=njeri)

        with pytest.raises(NotYours):
            memberships.resume(membership_id=membership.pk, by=halima)

        assert as_it_was(membership)["suspended_at"] is not None


def test_removed_they_are_a_shopper_and_can_be_employed_anew():
    njeri, baraka = keeper(), employee("see_orders")

    memberships.remove(membership_id=membership_of(baraka).pk, by=njeri)

    baraka = fresh(baraka)
    assert (baraka.roles, baraka.is_staff, baraka.is_active) == ([], False, True)
    assert told(Action.REMOVED) == [(njeri, "Baraka", {"role": "shop-employee"})]
    memberships.employ(user=baraka, role=Role.EMPLOYEE)
    assert fresh(baraka).roles == ["shop-employee"]


class TestTheLastShopkeeper:
    @pytest.fixture
    def njeri(self):
        njeri = keeper()
        # Neither a suspended nor a deactivated shopkeeper counts.
        for name in ("Wanjiru", "Kamau"):
            other = keeper(name)
            if name == "Kamau":
                User.objects.filter(pk=other.pk).update(is_active=False)
            else:
                memberships.suspend(membership_id=membership_of(other).pk, by=None)
        return njeri

    @pytest.mark.parametrize(
        "attempt",
        [
            partial(memberships.change_membership, role=Role.EMPLOYEE),
            memberships.suspend,
            memberships.remove,
        ],
        ids=["demote", "suspend", "remove"],
    )
    @pytest.mark.parametrize("by", ["herself", "the shop"])
    def test_stays(self, njeri, attempt, by):
        before = as_it_was(membership_of(njeri))

        with pytest.raises(LastShopkeeper, match="The shop needs a shopkeeper"):
            attempt(membership_id=membership_of(njeri).pk, by=njeri if by == "herself" else None)

        assert as_it_was(membership_of(njeri)) == before
        assert fresh(njeri).is_staff

    def test_cannot_leave(self, njeri):
        with pytest.raises(LastShopkeeper, match="The last shopkeeper cannot leave"):
            people.delete_account(user=njeri)

        assert fresh(njeri).roles == ["shop-owner"]

    def test_of_two_one_may_go(self, njeri):
        keeper("Otieno")

        memberships.remove(membership_id=membership_of(njeri).pk, by=njeri)

        assert fresh(njeri).roles == []


class TestClaims:
    def follow(self, user, *roles):
        memberships.follow_claims(user=user, roles=set(roles))
        return fresh(user)

    def test_the_providers_membership_comes_changes_and_goes_with_the_claim(self):
        keeper()
        baraka = person("Baraka")

        assert self.follow(baraka, "shop-employee", "something-else").roles == ["shop-employee"]
        assert self.follow(baraka, "shop-employee", "shop-owner").roles == ["shop-owner"]
        assert membership_of(baraka).source == Source.OIDC
        assert self.follow(baraka, "something-else").roles == []
        assert not Membership.objects.filter(user=baraka).exists()
        assert [detail["role"] for *_, detail in told(Action.GRANTED)[1:]] == [
            "shop-employee",
            "shop-owner",
            "",
        ]

    def test_a_missing_claim_and_one_that_says_the_same_change_nothing(self):
        keeper()
        baraka = self.follow(person("Baraka"), "shop-employee")
        memberships.change_membership(
            membership_id=membership_of(baraka).pk, by=None, rights=["see_orders"]
        )
        before, entries = as_it_was(membership_of(baraka)), AuditEntry.objects.count()

        memberships.follow_claims(user=baraka, roles=None)
        self.follow(baraka, "shop-employee")

        assert as_it_was(membership_of(baraka)) == before
        assert AuditEntry.objects.count() == entries

    def test_what_the_shop_decided_is_not_touched(self):
        keeper()
        baraka = employee("see_orders")
        local = membership_of(baraka)
        before = as_it_was(local)

        assert self.follow(baraka, "shop-owner").roles == ["shop-employee", "shop-owner"]
        assert self.follow(baraka).roles == ["shop-employee"]
        assert as_it_was(local) == before

    def test_the_last_shopkeeper_stays_one_and_may_go_on(self):
        njeri = self.follow(person("Njeri"), "shop-owner")

        assert self.follow(njeri, "shop-employee").roles == ["shop-owner"]
        assert self.follow(njeri).roles == ["shop-owner"]
        assert [target for _, target, _ in told(Action.REFUSED)] == ["Njeri", "Njeri"]

        keeper("Wanjiru")
        assert self.follow(njeri).roles == []

    def test_only_the_roles_of_a_setting_open_the_admin(self, settings):
        keeper()
        baraka = self.follow(person("Baraka"), "shop-owner")
        assert not baraka.is_staff

        settings.OIDC_STAFF_ROLES = ["shop-owner"]
        baraka = self.follow(baraka, "shop-owner")
        assert (baraka.is_staff, baraka.is_superuser) == (True, False)

        assert not self.follow(baraka, "shop-employee").is_staff

    def test_a_change_of_rights_leaves_open_what_a_setting_opened(self, settings):
        settings.OIDC_STAFF_ROLES = ["shop-owner"]
        njeri = keeper()
        wanjiru = self.follow(person("Wanjiru"), "shop-owner")
        assert wanjiru.is_staff

        memberships.change_membership(
            membership_id=membership_of(wanjiru).pk, by=njeri, rights=["see_orders"]
        )

        assert fresh(wanjiru).is_staff

    def test_its_role_is_changed_there_but_here_it_can_be_suspended(self):
        njeri = keeper()
        baraka = self.follow(person("Baraka"), "shop-employee")
        membership = membership_of(baraka)

        with pytest.raises(ProviderDecides):
            memberships.change_membership(
                membership_id=membership.pk, by=njeri, role=Role.SHOPKEEPER
            )
        with pytest.raises(ProviderDecides):
            memberships.remove(membership_id=membership.pk, by=njeri)
        memberships.suspend(membership_id=membership.pk, by=njeri)

        # Signing in again lifts nothing.
        assert self.follow(baraka, "shop-employee").roles == []


@pytest.mark.django_db(transaction=True)
class TestRaces:
    """Real connections, each its own transaction."""

    @pytest.mark.parametrize("times", range(3))
    def test_of_two_shopkeepers_who_remove_each_other_one_stays(self, times):
        one, other = keeper("One"), keeper("Other")
        first, second = membership_of(one), membership_of(other)

        outcomes = at_once(
            [
                lambda: memberships.remove(membership_id=second.pk, by=fresh(one)),
                lambda: memberships.remove(membership_id=first.pk, by=fresh(other)),
            ]
        )

        assert Membership.objects.shopkeepers().active().count() == 1
        refused = [each for each in outcomes if each is not None]
        assert len(refused) == 1
        # Or the other one's own row was gone before it was asked for.
        assert isinstance(refused[0], LastShopkeeper | NotYours)

    @pytest.mark.parametrize(
        "verb",
        [memberships.suspend, partial(memberships.change_membership, role=Role.EMPLOYEE)],
        ids=["suspend", "demote"],
    )
    def test_of_many_who_step_down_at_once_one_stays(self, verb):
        keys = [membership_of(keeper(f"Keeper {number}")).pk for number in range(6)]

        outcomes = at_once([partial(verb, membership_id=key, by=None) for key in keys])

        assert Membership.objects.shopkeepers().active().count() == 1
        refused = [each for each in outcomes if isinstance(each, Exception)]
        assert [type(each) for each in refused] == [LastShopkeeper]

    @pytest.mark.parametrize("times", range(3))
    def test_of_two_who_leave_at_once_one_stays(self, times):
        users = [keeper("One"), keeper("Other")]

        outcomes = at_once([partial(people.delete_account, user=each) for each in users])

        assert [type(each) for each in outcomes if isinstance(each, Exception)] == [LastShopkeeper]
        assert Membership.objects.shopkeepers().active().count() == 1
        assert User.objects.filter(pk__in=[each.pk for each in users]).count() == 1

    @pytest.mark.parametrize("times", range(3))
    def test_one_who_leaves_while_the_other_removes_them_or_steps_down(self, times):
        one, other = keeper("One"), keeper("Other")
        key = membership_of(other).pk

        outcomes = at_once(
            [
                partial(people.delete_account, user=one),
                partial(memberships.remove, membership_id=key, by=None),
            ]
        )

        assert [type(each) for each in outcomes if isinstance(each, Exception)] == [LastShopkeeper]
        assert Membership.objects.shopkeepers().active().count() == 1

    @pytest.mark.parametrize("times", range(3))
    def test_through_rest_one_goes_and_one_is_told_why_not(self, times):
        one, other = keeper("One"), keeper("Other")
        calls = [
            partial(Caller(me).delete, f"/employees/{membership_of(them).pk}/")
            for me, them in ((one, other), (other, one))
        ]

        answers = at_once(calls)

        # 403: by the time that it was their turn they were no shopkeeper any more.
        statuses = sorted(each.status_code for each in answers)
        assert statuses[0] == 204
        assert statuses[1] in {403, 409}, answers
        assert Membership.objects.shopkeepers().active().count() == 1

    def test_through_rest_both_step_down_at_once(self):
        users = [keeper("One"), keeper("Other")]
        calls = [
            partial(
                Caller(me).patch, f"/employees/{membership_of(me).pk}/", {"role": Role.EMPLOYEE}
            )
            for me in users
        ]

        answers = at_once(calls)

        assert sorted(each.status_code for each in answers) == [200, 409]
        refused = next(each for each in answers if each.status_code == 409)
        assert refused.json()["code"] == "last_shopkeeper"

    @pytest.mark.parametrize("times", range(5))
    def test_a_sign_in_that_syncs_meets_a_deletion_and_a_removal_without_a_deadlock(self, times):
        keeper("Stays")
        leaver = person("Leaver")
        memberships.follow_claims(user=leaver, roles={"shop-owner"})

        outcomes = at_once(
            [
                partial(memberships.follow_claims, user=leaver, roles={"shop-employee"}),
                partial(people.delete_account, user=leaver),
                partial(memberships.follow_claims, user=leaver, roles=set()),
            ]
        )

        assert {type(each) for each in outcomes} <= {type(None), list, User.DoesNotExist}
