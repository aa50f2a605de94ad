"""What every app must have done, and nothing else would notice: docs/new-app.md's list, held."""

import tomllib

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.urls import get_resolver
from django.urls.resolvers import URLResolver

from core.admin import DukaModelAdmin
from core.api.views import ResourceViewSet

LINTER = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["tool"]["importlinter"]
PAGES = [page for page in admin.site._registry.values() if isinstance(page, DukaModelAdmin)]


def views(resolver=None):
    """Yield (view, its actions by method) of every REST address."""
    for each in (resolver or get_resolver()).url_patterns:
        if isinstance(each, URLResolver):
            yield from views(each)
        elif issubclass(getattr(each.callback, "cls", object), ResourceViewSet):
            yield each.callback.cls, each.callback.actions


every_app = pytest.mark.parametrize("app", settings.DUKA_APPS)
every_action = pytest.mark.parametrize(
    ("view", "method", "action"),
    sorted(
        {(view, method, action) for view, actions in views() for method, action in actions.items()},
        key=str,
    ),
    ids=lambda each: getattr(each, "__name__", each),
)
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: type(page).__name__)


@every_app
def test_the_import_contracts_know_the_app(app):
    layers, shape = LINTER["contracts"]
    ranked = {name.strip() for layer in layers["layers"] for name in layer.split("|")}

    assert app in LINTER["root_packages"]
    assert app in ranked
    assert app == "core" or app in shape["containers"]


@every_app
def test_an_app_with_tables_has_migrations(app):
    # Without the package, `makemigrations --check` passes it over.
    assert not list(apps.get_app_config(app).get_models()) or list(
        (settings.BASE_DIR / app / "migrations").glob("000[12]_initial.py")
    )


@every_action
def test_an_action_says_who_may_and_what_it_takes(view, method, action):
    assert action in view.permitted or "*" in view.permitted
    assert method in {"get", "head", "delete"} or action in view.inputs


@every_page
def test_a_page_asks_predicates_writes_through_services_and_is_in_the_menu(page):
    kind = type(page)
    links = [
        str(item["link"])
        for group in settings.UNFOLD["SIDEBAR"]["navigation"]
        for item in group["items"]
    ]

    assert callable(kind.can_see)
    assert callable(kind.can_manage)
    assert kind.save_model is not ModelAdmin.save_model
    assert f"/admin/{page.opts.app_label}/{page.opts.model_name}/" in links
