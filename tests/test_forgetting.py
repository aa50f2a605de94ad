"""One person, of whom every app keeps something, forgotten by one command."""

import io
import json

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db.models import Count, Sum

from accounts.models import User
from accounts.signals import leaving
from accounts.tests.factories import ShopkeeperFactory
from conversations.models import Interaction
from core.forgetting import Erasure
from customers.models import Customer
from customers.signals import forgotten, stranger_forgotten
from customers.tests.factories import CustomerFactory
from orders.models import Order, OrderLine
from orders.tests.shop import assert_books_agree
from shipping import providers

from .person import ZUHRA, ZUHURA, columns_saying, rows_of, somebody_everywhere, words_by_column

pytestmark = pytest.mark.django_db

# Columns that can say who somebody is. Each is filled by `somebody_everywhere`, and empty of them
# when they are forgotten: a new one belongs here, or below.
PERSONAL = {
    "account.EmailAddress": "email",
    "accounts.AuditEntry": "target detail",
    "accounts.Identity": "subject",
    "accounts.Invitation": "email phone",
    "accounts.ProviderSession": "subject",
    "accounts.User": "first_name last_name email",
    "admin.LogEntry": "object_repr change_message",
    "bookings.BookingChange": "reason",
    "conversations.Interaction": "source_id document custom words",
    "conversations.RejectedLine": "content errors",
    "core.IdempotencyKey": "body",
    "customers.Customer": "name phone email",
    "customers.PhoneCode": "phone",
    "django_tasks_database.DBTaskResult": "args_kwargs return_value traceback",
    "mfa.Authenticator": "data",
    "notifications.Callback": "body detail",
    "notifications.Consent": "phone",
    "notifications.ConsentChange": "detail",
    "notifications.InboundMessage": "phone text",
    "notifications.Message": "recipient to body data error",
    "notifications.MessageEvent": "detail",
    "orders.Order": "note recipient address_line_1 address_line_2 city postcode",
    "orders.OrderChange": "reason changes",
    "repairs.Aside": "row",
    "repairs.Job": "firstname lastname postcode mobile phone phone_error client_key postcode_key"
    " phone_key",
    "repairs.JobNote": "text",
    "shipping.News": "body detail",
    "shipping.Occurrence": "reason",
    "shipping.Shipment": "recipient line_1 line_2 city postcode tracking_url error",
    "shipping.ShipmentEvent": "detail changes",
    "shipping.StandingOrder": "recipient line_1 line_2 city postcode",
    "shipping.StandingOrderChange": "reason changes",
    "uploads.UploadChunk": "content",
    "uploads.UploadKey": "key",
    "uploads.UploadRow": "data changes errors",
}
# Columns that say nothing of a customer: names of things, keys, words of the shop's own.
IMPERSONAL = {
    "account.EmailConfirmation": "key",
    "accounts.AuditEntry": "request_id",
    "accounts.Identity": "issuer",
    "accounts.Invitation": "rights token_digest",
    "accounts.Machine": "name rights",
    "accounts.Membership": "rights",
    "accounts.ProviderSession": "issuer sid session_key",
    "accounts.SpentRefreshToken": "digest family",
    # The username is the subject, which says nothing.
    "accounts.User": "password username",
    "admin.LogEntry": "object_id",
    "allauth_idp_oidc.Client": "id name secret scopes default_scopes grant_types redirect_uris"
    " cors_origins response_types data",
    # They go with their account.
    "allauth_idp_oidc.Token": "hash data scopes",
    "auth.Group": "name",
    "auth.Permission": "name codename",
    "bookings.Booking": "currency",
    # Who had it before, by their code.
    "bookings.BookingChange": "from_status changes",
    "bookings.ClosedDay": "reason",
    "bookings.Resource": "code name",
    "bookings.Service": "name",
    "catalog.Category": "name slug",
    "catalog.Product": "name slug description",
    "catalog.ProductImage": "image alt widths",
    "catalog.SearchEntry": "vector words",
    "catalog.StockMovement": "order reason",
    "catalog.Variant": "sku name",
    "contenttypes.ContentType": "app_label model",
    "conversations.Client": "id name nick_name",
    "conversations.Engagement": "id name",
    "conversations.ImportedFile": "fingerprint name",
    # Of a contact that was deleted nothing is left; an agent is one of a client's own people.
    "conversations.Interaction": "id agent_name sentiment",
    "core.IdempotencyKey": "caller key fingerprint headers",
    "core.PeriodicJob": "name last_task_id",
    "core.Worker": "id",
    # What the books call them by.
    "customers.Customer": "code",
    "customers.PhoneCode": "phone_digest digest",
    "django_tasks_database.DBTaskResult": "task_path worker_ids queue_name backend_name"
    " exception_class_path",
    "notifications.Callback": "transport key nonce gateway_id content_type",
    "notifications.InboundMessage": "transport gateway_id to customer",
    "notifications.Message": "event occurrence channel subject reference language encoding"
    " refused_by transport transport_id cost cost_currency error_code",
    "notifications.MessageEvent": "transport code cost_currency",
    # What a gateway said last, of all that it was asked.
    "notifications.Pace": "transport error",
    "notifications.StatusLink": "subject reference language salt",
    "notifications.Template": "event",
    "notifications.TemplateVersion": "text",
    "orders.Cart": "token_digest",
    "orders.Order": "number currency reference country",
    "orders.OrderChange": "from_status",
    "orders.OrderLine": "sku name",
    "repairs.Aside": "key detail",
    "repairs.DocumentWrite": "error",
    "repairs.Job": "key_text client_status job_type product_sku product_type updates conflict",
    "repairs.Source": "name table columns statuses baseline_to baseline_after scan_after"
    " sweep_after error findings",
    # Signed and packed; without its account it opens nothing, and goes when it runs out.
    "sessions.Session": "session_key session_data",
    "shipping.Carrier": "name days error",
    "shipping.News": "nonce content_type reference",
    # What a person is to look at is said in sentences of our own.
    "shipping.Shipment": "number country carrier_reference cost_currency error_code attention",
    "shipping.StandingOrder": "number country",
    "uploads.Upload": "name error_code error memo",
    "uploads.UploadRow": "subject",
}


@pytest.fixture(autouse=True)
def carriers(settings):
    settings.SHIPPING_PROVIDERS = ["courier"]
    settings.COURIER_URL = "http://127.0.0.1:9"
    settings.COURIER_API_KEY = "api-key-of-the-tests"
    providers._load.cache_clear()
    yield
    providers._load.cache_clear()


@pytest.fixture
def other(shopkeeper, api):
    return somebody_everywhere(ZUHRA, keeper=shopkeeper, api=api)


@pytest.fixture
def zuhura(shopkeeper, api):
    return somebody_everywhere(ZUHURA, keeper=shopkeeper, api=api)


def run(*arguments, **options):
    out = io.StringIO()
    call_command("forget_customer", *arguments, stdout=out, **options)
    return out.getvalue()


def books():
    """Return what the accounts need: every order, what it was for, and to which country it went."""
    return (
        list(
            Order.objects.order_by("pk").values_list(
                "number", "customer", "status", "currency", "total", "placed_at", "country"
            )
        ),
        list(
            OrderLine.objects.order_by("pk").values_list(
                "order", "sku", "name", "unit_price", "quantity", "fulfilled", "returned"
            )
        ),
        Order.objects.aggregate(Count("pk"), Sum("total")),
    )


def columns(table):
    return {f"{model}.{column}" for model, names in table.items() for column in names.split()}


def is_words(field):
    """Tell whether somebody could write something into it."""
    kinds = {
        *("CharField", "TextField", "EmailField", "SlugField", "URLField", "FileField"),
        *("JSONField", "JsonbField", "BinaryField", "ArrayField", "GeneratedField"),
        "SearchVectorField",
    }
    return field.get_internal_type() in kinds and not field.choices


def test_every_column_of_words_is_personal_or_not():
    found = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.concrete_fields
        if is_words(field)
    }

    assert columns(PERSONAL) & columns(IMPERSONAL) == set()
    assert found == columns(PERSONAL) | columns(IMPERSONAL)


def test_no_column_of_any_table_says_who_they_were(zuhura, other, settings):
    settings.MONGO_URL = "mongodb://127.0.0.1:1/duka"
    saying = columns_saying(ZUHURA)
    named = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if f"{model._meta.db_table}.{field.column}" in saying
    }
    assert len(named) == len(saying)
    assert named == columns(PERSONAL)
    others, kept = rows_of(ZUHRA), books()
    assert len(others) > 60

    said = run(ZUHURA.code, "--delete-mentions")

    assert columns_saying(ZUHURA) == []
    assert rows_of(ZUHRA) == others
    assert books() == kept
    assert_books_agree()
    customer = Customer.objects.get(code=ZUHURA.code)
    assert (customer.name, customer.user, customer.orders.count()) == ("Former customer", None, 5)
    # What is said of the number and the address names them; the table does not.
    table = said.lower().split("app ")[1].split("what else says")[0]
    assert not any(mark in table for mark in ZUHURA.marks)
    # Nothing of the other's is counted.
    assert "1 interaction, deleted" in said


def test_a_second_time_nothing_is_left(zuhura):
    run(ZUHURA.code, "--delete-mentions")
    before = words_by_column()

    said = run(ZUHURA.code)

    assert "Nothing is left to forget: C-ZK, Former customer, forgotten before." in said
    assert words_by_column() == before
    assert json.loads(run(ZUHURA.code, "--json"))["nothing_left"] is True
    assert "nothing is left to forget." in run(phone=ZUHURA.phone)


def test_a_dry_run_says_the_same_and_changes_nothing(zuhura):
    before = words_by_column()

    would = json.loads(run(ZUHURA.code, "--json", "--dry-run", "--delete-mentions"))

    assert words_by_column() == before
    assert User.objects.filter(email=ZUHURA.email).exists()
    did = json.loads(run(ZUHURA.code, "--json", "--delete-mentions"))
    assert would == did | {"dry_run": True}


def test_the_report_says_of_every_app_what_was_done(zuhura):
    report = json.loads(run(ZUHURA.code, "--json"))

    done = {
        (each["app"], each["what"]): (each["blanked"], each["deleted"], each["kept"])
        for each in report["done"]
        if each["blanked"] or each["deleted"] or each["kept"]
    }
    assert done == {
        ("accounts", "account"): (0, 1, 0),
        ("accounts", "audit log"): (4, 0, 1),
        ("accounts", "invitations"): (2, 0, 0),
        ("accounts", "sessions at the sign-in provider"): (0, 1, 0),
        ("bookings", "bookings"): (0, 0, 2),
        ("bookings", "bookings to come, called off"): (1, 0, 0),
        ("bookings", "history of bookings"): (1, 0, 0),
        ("conversations", "interactions"): (0, 2, 0),
        ("core", "log of the admin"): (2, 0, 0),
        ("core", "mails and other tasks"): (0, 3, 0),
        ("core", "stored answers"): (0, 1, 0),
        ("customers", "codes sent to their phone"): (1, 0, 0),
        ("customers", "customer"): (1, 0, 1),
        ("notifications", "messages"): (18, 0, 18),
        ("notifications", "timeline of messages"): (1, 0, 0),
        ("notifications", "what gateways told"): (1, 0, 0),
        ("notifications", "what they wrote"): (1, 0, 0),
        ("notifications", "wishes about messages"): (1, 1, 0),
        ("orders", "carts"): (0, 1, 0),
        ("orders", "history of orders"): (3, 0, 0),
        ("orders", "orders"): (4, 0, 5),
        ("repairs", "jobs"): (1, 0, 1),
        ("repairs", "notes on jobs"): (1, 0, 0),
        ("repairs", "rows set aside"): (1, 0, 0),
        ("shipping", "history of standing orders"): (3, 0, 0),
        ("shipping", "shipments"): (2, 0, 2),
        ("shipping", "standing orders"): (1, 0, 1),
        ("shipping", "timeline of shipments"): (3, 0, 0),
        ("shipping", "what carriers told"): (2, 0, 0),
        ("uploads", "files"): (0, 1, 0),
        ("uploads", "rows of files"): (2, 0, 0),
        ("uploads", "what rows may not repeat"): (0, 1, 0),
    }
    assert report["people"] == [{"code": ZUHURA.code, "account": True}]


def test_every_receiver_says_what_it_did(shopkeeper):
    customer = CustomerFactory.create()
    user = ShopkeeperFactory.create()
    answers = [
        *forgotten.send(sender=Customer, customer=customer),
        *stranger_forgotten.send(sender=Customer, phone="+254722000001", email=""),
        *stranger_forgotten.send(sender=Customer, phone="", email="nobody@posta.example"),
        *leaving.send(sender=User, user=user),
    ]

    silent = [
        f"{receiver.__module__}.{receiver.__name__}"
        for receiver, said in answers
        if not isinstance(said, list) or not all(isinstance(each, Erasure) for each in said)
    ]
    assert silent == []
    # Every app with a personal column has one.
    listening = {receiver.__module__.split(".")[0] for receiver, _ in answers}
    foreign = {"account", "admin", "django_tasks_database", "mfa", "core", "accounts"}
    assert {each.split(".")[0] for each in PERSONAL} - foreign == listening


def test_without_being_asked_to_what_others_said_of_them_is_named_and_stays(zuhura):
    mention = Interaction.objects.get(source_id=ZUHURA.phone)

    said = run(ZUHURA.code)

    assert f"  {ZUHURA.phone}, conversations: 1 interaction, kept: {mention.pk}\n" in said
    assert ", conversations: 1 line set aside, kept: old.json:1\n" in said
    assert f"forget_customer --phone {ZUHURA.phone} --delete-mentions" in said
    assert columns_saying(ZUHURA) == [
        "conversations_interaction.custom",
        "conversations_interaction.document",
        "conversations_interaction.source_id",
        "conversations_rejectedline.content",
        "conversations_rejectedline.errors",
    ]


def test_the_last_shopkeeper_cannot_be_forgotten(shopkeeper):
    shopkeeper.email = "boss@posta.example"
    shopkeeper.save()

    with pytest.raises(CommandError) as refused:
        run(email="boss@posta.example")

    assert str(refused.value) == ("The last shopkeeper cannot leave. Make somebody else one first.")
    assert User.objects.filter(pk=shopkeeper.pk).exists()
