"""Staff at the pages of conversations, in a real Chromium."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from conversations import services
from conversations.models import ImportedFile, Interaction, RejectedLine
from conversations.states import Channel, Direction
from customers.tests.factories import CustomerFactory
from tests.chromium import (
    PASSWORD,
    SIZES,
    TOO_WIDE,
    make_shopkeeper,
    open_shop,
    picture,
    sign_in,
    visitor,
)

from .factories import EngagementFactory, make_interaction

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
EVIL = "<img src=x onerror=\"document.title='owned'\">"


@pytest.fixture
def shopkeeper(transactional_db):
    return make_shopkeeper()


@pytest.mark.parametrize("name", ["desk", "phone"])
def test_contacts_are_found_read_noted_and_answered(chromium, tmp_path, shopkeeper, name):
    customer = CustomerFactory.create(name="Wanjiru Kamau", phone="+254722000123")
    asked = services.record_contact(
        channel=Channel.SMS,
        direction=Direction.IN,
        text="Mna chai leo?",
        at=timezone.now(),
        customer=customer,
        phone=customer.phone,
    )
    acme = EngagementFactory.create(
        client__name="Acme Holdings Ltd", client__nick_name="", name="Chat"
    )
    hostile = make_interaction(
        acme,
        custom={
            "csvName": "2020_16_05_report.csv",
            EVIL: EVIL,
            "long": "w" * 3000,
            "log": [{"from": "agent", "text": "How may I help you?"}] * 20,
        },
        sentiment="Negative",
        source_id="s" * 200,
    )
    file = ImportedFile.objects.create(
        fingerprint="f", name="conversations-2020.json.gz", collection="interactions", rejected=1
    )
    RejectedLine.objects.create(
        file=file,
        number=7,
        content=(f'{{"_id": 7, "x": "{EVIL}", ' + '"y": ' * 300).encode(),
        errors=[{"pointer": "/_id", "code": "invalid", "detail": "It must be an ObjectId."}],
    )
    with open_shop(tmp_path) as shop:
        page = visitor(chromium, SIZES[name])
        admin = f"{shop.url}/admin/conversations"
        page.goto(f"{shop.url}/admin/")
        sign_in(page, "mama@example.com", PASSWORD)
        page.wait_for_url("**/admin/")

        page.goto(f"{admin}/interaction/")
        expect(page.get_by_text("Acme Holdings Ltd").first).to_be_visible()
        picture(page, f"interactions-{name}")
        assert not page.evaluate(TOO_WIDE)
        page.goto(f"{admin}/interaction/?q=chai")
        expect(page.get_by_text("1 interaction", exact=False).first).to_be_visible()

        page.goto(f"{admin}/interaction/{hostile.pk}/change/")
        expect(page.get_by_text("2020_16_05_report.csv")).to_be_visible()
        picture(page, f"interaction-{name}")
        assert not page.evaluate(TOO_WIDE)
        assert page.title() != "owned"

        page.goto(f"{admin}/interaction/{asked.pk}/change/")
        picture(page, f"contact-{name}")
        if name == "phone":
            page.locator("span:visible", has_text="more_horiz").click()
        page.get_by_role("link", name="Reply").click()
        page.get_by_label("SMS").fill("Ndiyo, karibu!")
        picture(page, f"reply-{name}")
        assert not page.evaluate(TOO_WIDE)
        page.get_by_role("button", name="Reply").click()
        expect(page.get_by_text("The reply is on its way.")).to_be_visible()
        picture(page, f"replied-{name}")

        page.goto(f"{admin}/interaction/add/")
        picture(page, f"note-{name}")
        assert not page.evaluate(TOO_WIDE)
        page.get_by_label("What was said").fill("She wants two more.")
        page.get_by_label("Phone").fill("0722 000 123")
        page.get_by_role("button", name="Save", exact=True).click()
        page.wait_for_url("**/interaction/")
        picture(page, f"noted-{name}")

        page.goto(f"{admin}/importedfile/{file.pk}/change/")
        expect(page.get_by_text("It must be an ObjectId.")).to_be_visible()
        picture(page, f"file-{name}")
        assert not page.evaluate(TOO_WIDE)
        assert page.title() != "owned"
        for path in ("importedfile/", "client/", "engagement/", f"engagement/{acme.pk}/change/"):
            page.goto(f"{admin}/{path}")
            picture(page, f"{path.strip('/').replace('/', '-')}-{name}")
            assert not page.evaluate(TOO_WIDE)
        assert page.errors == []
    noted = Interaction.objects.get(engagement__channel="phone")
    assert (noted.customer, noted.agent_name) == (customer, "Mama Njeri")
    assert Interaction.objects.filter(engagement__channel="sms").count() == 2
