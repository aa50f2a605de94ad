"""`/graphql/` in a browser: GraphiQL, with nothing from elsewhere."""

import base64
import hashlib
import re
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from graphene_django.views import GraphQLView
from playwright.sync_api import expect

from orders.models import CartLine

from .chromium import DESK, PHONE, open_shop, picture, sign_in, visitor
from .test_pages_in_chromium import PASSWORD, person

SIGNED_IN = """
mutation {
  updateMe(input: { name: "Wanjiru K." }) { me { email name } errors { message } }
  addToCart(input: { sku: "CHAI-250", quantity: 2 }) { cart { total } errors { message } }
}
"""


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("react.production.min.js", GraphQLView.react_sri),
        ("react-dom.production.min.js", GraphQLView.react_dom_sri),
        ("graphiql.min.js", GraphQLView.graphiql_sri),
        ("graphiql.min.css", GraphQLView.graphiql_css_sri),
    ],
)
def test_what_it_is_made_of_is_what_graphene_knows_by_hash(name, digest):
    found = Path(finders.find(f"graphene_django_graphiql_static/{name}")).read_bytes()
    # Whoever packed them let some end with a line feed more.
    alike = {found, found.removesuffix(b"\n")}

    assert digest in {
        f"sha256-{base64.b64encode(hashlib.sha256(each).digest()).decode()}" for each in alike
    }


@pytest.fixture
def shop(transactional_db, tmp_path):
    call_command("load_demo", verbosity=0)
    with open_shop(tmp_path) as opened:
        yield opened


@contextmanager
def graphiql(chromium, shop, viewport=DESK, *, before=lambda page: None):
    """Open the page, which has nothing to complain of until it is left."""
    page = visitor(chromium, viewport)
    before(page)
    page.on("console", lambda said: page.errors.append(f"{said.type}: {said.text}"))
    page.on("response", lambda answer: answer.ok or page.errors.append(str(answer)))
    page.goto(f"{shop.url}/graphql/")
    yield page
    assert page.errors == []


def run(page):
    """Run what stands in the editor, and return where its answer is shown."""
    page.get_by_role("button", name=re.compile("Execute")).click()
    return page.locator(".graphiql-response")


def too_wide(page):
    return page.evaluate(
        "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    )


@pytest.mark.slow
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_it_opens_with_a_question_and_tells_what_else_there_is(chromium, shop, viewport):
    with graphiql(chromium, shop, viewport) as page:
        answer = run(page)

        expect(answer).to_contain_text('"name": "Duka"')
        expect(answer).to_contain_text('"currency": "KES"')
        picture(page, f"graphiql-{viewport['width']}")
        assert answer.bounding_box()["width"] > viewport["width"] / 3
        assert not too_wide(page)
        page.get_by_role("button", name="Show Documentation Explorer").click()
        page.get_by_role("link", name="Query", exact=True).click()
        expect(page.get_by_text("What can be asked. Without signing in")).to_be_visible()
        picture(page, f"graphiql-{viewport['width']}-book")


@pytest.mark.slow
def test_who_is_signed_in_changes_things_from_it(chromium, shop):
    wanjiru = person("Wanjiru Kamau", "wanjiru@example.com")

    def enter(page):
        page.goto(f"{shop.url}/oidc/authenticate/?next=/graphql/")
        sign_in(page, "wanjiru@example.com", PASSWORD)
        page.wait_for_url("**/graphql/")

    with graphiql(chromium, shop, before=enter) as page:
        editor = "document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror"
        page.wait_for_selector(".graphiql-query-editor .CodeMirror")
        page.evaluate(f"text => {editor}.setValue(text)", SIGNED_IN)

        answer = run(page)

        expect(answer).to_contain_text('"name": "Wanjiru K."')
        expect(answer).to_contain_text('"total": "360.00"')
        picture(page, "graphiql-mutation")
        wanjiru.refresh_from_db()
        assert wanjiru.get_full_name() == "Wanjiru K."
        assert CartLine.objects.get(cart__user=wanjiru).quantity == 2
