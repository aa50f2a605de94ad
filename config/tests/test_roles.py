"""What a shopkeeper grants (config.settings.roles) is what the apps ask for."""

import inspect
from importlib import import_module
from importlib.util import find_spec

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission

from accounts.permissions import all_permissions, permissions_of_right

# What predicates ask that no right gives, each with its reason.
NOT_GRANTED: dict[str, str] = {
    "notifications.manage_templates": "what the shop says is the shopkeeper's own",
}

GRANTED = {each for right in settings.SHOP_RIGHTS for each in permissions_of_right(right)}


def asked_by(app):
    """Return the permissions that an app's predicates ask for."""
    if find_spec(f"{app}.permissions") is None:
        return set()
    named = vars(import_module(f"{app}.permissions")).values()
    closures = [
        inspect.getclosurevars(each).nonlocals for each in named if inspect.isfunction(each)
    ]
    return {name for each in closures for name in each.get("permissions", ())}


ASKED = set().union(*map(asked_by, settings.DUKA_APPS))


@pytest.mark.django_db
def test_every_permission_that_is_named_exists():
    labels = Permission.objects.values_list("content_type__app_label", "codename")
    known = {f"{app}.{codename}" for app, codename in labels}

    assert (GRANTED | set(settings.SHOPKEEPER_PERMISSIONS) | ASKED) - known == set()


def test_every_permission_that_a_predicate_asks_is_in_a_right_or_says_why_not():
    assert len(ASKED) >= 8
    assert set(NOT_GRANTED) == ASKED - GRANTED


def test_what_only_a_shopkeeper_may_is_in_no_right():
    assert set(settings.SHOPKEEPER_PERMISSIONS) & GRANTED == set()


@pytest.mark.parametrize("right", settings.SHOP_RIGHTS)
def test_every_right_has_words_fits_its_column_and_lets_its_holder_see_the_goods(right):
    label, permissions = settings.SHOP_RIGHTS[right]

    assert label.capitalize() == label
    assert len(right) <= 32
    assert "catalog.view_product" in permissions


@pytest.mark.django_db
def test_a_shopkeeper_may_all_that_is_asked_or_granted(shopkeeper):
    assert shopkeeper.is_superuser is False
    assert shopkeeper.has_perms(ASKED | GRANTED | set(settings.SHOPKEEPER_PERMISSIONS))
    assert all_permissions() == GRANTED | set(settings.SHOPKEEPER_PERMISSIONS)
    # To make users and grant at will is Django's own, and a superuser's.
    assert not shopkeeper.has_perm("auth.change_permission")
