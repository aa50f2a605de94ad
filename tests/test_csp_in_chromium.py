"""What a real Chromium says of our pages' content security policies, with production's settings."""

import pytest
from django.core.management import call_command
from django.urls import reverse

from bookings.tests.factories import BookingFactory
from notifications.services import make_link
from orders.tests.factories import OrderFactory
from repairs.tests.factories import JobFactory

from .chromium import DESK, PASSWORD, make_shopkeeper, open_shop, sign_in
from .processes import spawn_manage, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

# What somebody might get into a page: a script, and one in an attribute.
INJECTED = (
    "<script>window.ran = 'element'</script><img src='data:,' onerror=\"window.ran = 'attribute'\">"
)
# Told by the page itself, wherever it is just then.
TELL = """
document.addEventListener('securitypolicyviolation', event =>
  told(`${location.pathname}: ${event.effectiveDirective} ${event.blockedURI} ${event.sample}`))
"""


@pytest.fixture
def shop(transactional_db, tmp_path):
    """A shop as on a server, but for TLS: browsers take localhost for as good."""
    make_shopkeeper()
    call_command("load_demo", verbosity=0)
    production = {
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "SECURE_SSL_REDIRECT": "false",
        "STATIC_ROOT": str(tmp_path / "static"),
        "IDENTITY_FILE": str(tmp_path / "identity.json"),
    }
    collect = production | {"SHOP_URL": "http://localhost", "EMAIL_URL": "consolemail://"}
    with spawn_manage("collectstatic", "--no-input", env=collect) as collecting:
        assert collecting.process.wait(240) == 0, collecting.log()
    with open_shop(tmp_path, host="localhost", more=production) as opened:
        yield opened


def page_that_tells(browser):
    page = browser.new_context(viewport=DESK).new_page()
    page.set_default_timeout(60_000)
    page.told = []
    page.expose_function("told", lambda text: page.told.append(text))  # noqa: PLW0108  by its name
    page.add_init_script(TELL)
    page.on("pageerror", lambda error: page.told.append(f"{page.url}: {error}"))
    return page


def admin_pages(**things):
    """Yield lists of the admin, pages of things, and pages with widgets of our own."""
    for name in ("orders_order", "catalog_variant", "conversations_interaction", "core_worker"):
        yield reverse(f"admin:{name}_changelist")
    for name, thing in things.items():
        yield reverse(f"admin:{name}_change", args=[thing.pk])
    for name in ("catalog_product", "uploads_upload", "accounts_invitation"):
        yield reverse(f"admin:{name}_add")


def enter(page, shop):
    page.goto(f"{shop.url}/oidc/authenticate/")
    sign_in(page, "mama@example.com", PASSWORD)
    page.wait_for_url("**/account/")


def inject(route):
    """Answer with the very page and its headers, and what somebody got into it."""
    answer = route.fetch()
    route.fulfill(response=answer, body=answer.text().replace("</body>", f"{INJECTED}</body>"))


def test_pages_ask_for_no_more_than_their_policies_let_them_and_run_nothing_else(chromium, shop):
    order = OrderFactory.create()
    customer = order.customer
    link = make_link(subject="order", reference=order.number, language="en")
    status = link[link.index("/t/") :]
    page = page_that_tells(chromium)

    def walk(*paths):
        for path in paths:
            answer = page.goto(shop.url + path)
            assert answer.status == 200, path

    walk("/", "/accounts/signup/", "/accounts/password/reset/", status)
    enter(page, shop)
    assert {each["name"] for each in page.context.cookies()} >= {
        "__Host-sessionid",
        "__Host-csrftoken",
    }
    walk(
        *("/accounts/2fa/", "/account/", "/account/phone/", "/account/delete/", "/accounts/email/"),
        *("/accounts/password/change/", "/accounts/2fa/webauthn/", "/accounts/2fa/webauthn/add/"),
        *("/accounts/2fa/totp/activate/", "/admin/"),
        f"/admin/customers/customer/{customer.pk}/timeline/",
        *admin_pages(
            orders_order=order,
            bookings_booking=BookingFactory.create(),
            repairs_job=JobFactory.create(),
        ),
    )

    page.goto(f"{shop.url}/api/docs/")
    # All of the API is described for it first, which takes a while.
    page.get_by_text("Order management that a small business hosts itself.").wait_for()
    page.locator(".opblock-get").first.click()
    page.goto(f"{shop.url}/graphql/")
    page.wait_for_selector(".graphiql-query-editor .CodeMirror")
    page.evaluate(
        "document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror.setValue("
        "'mutation { updateMe(input: { name: \"Mama N.\" }) { me { name } } }')"
    )
    page.locator("button.graphiql-execute-button").click()
    page.locator(".graphiql-response").get_by_text("Mama N.").wait_for()

    assert sorted(set(page.told)) == []

    for path in (status, "/account/", "/api/docs/", "/graphql/", "/admin/"):
        page.route(f"**{path}", inject)
        page.goto(shop.url + path)
        page.wait_for_load_state("networkidle")
        page.unroute(f"**{path}")
        assert page.content().count("window.ran") == 2, path
        assert page.evaluate("window.ran") is None, path
        # Asked anew each time, as the browser tells when it is asked something.
        wait_until(lambda: page.title() is not None and len(page.told) >= 2)
        assert {each.split()[1] for each in page.told} >= {"script-src-elem", "script-src-attr"}
        page.told.clear()
