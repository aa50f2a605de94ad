"""Somebody of whom every app keeps something, in every column that can say who they are."""

import json
from dataclasses import dataclass, replace
from datetime import timedelta

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from accounts.models import Identity, ProviderSession
from accounts.services import invitations, people
from accounts.services.audit import record_refusal
from bookings.services import cancel_booking
from bookings.tests.factories import BookingFactory
from catalog.tests.factories import VariantFactory
from conversations.models import ImportedFile, RejectedLine
from conversations.services import record_contact
from conversations.states import Channel, Direction
from conversations.tests.factories import make_interaction
from core.mail import queue_mail
from customers.models import Customer
from customers.services import send_phone_code, update_customer
from notifications.models import Callback, InboundMessage
from notifications.services import note_consent
from notifications.states import ConsentSource
from notifications.tests.factories import MessageFactory
from orders import services as orders
from orders.models import Cart
from orders.services import Delivery, Wanted
from orders.states import DeliveryMethod
from repairs.models import Aside, Job, JobNote
from repairs.tests.factories import JobFactory
from shipping.models import News, Occurrence, Shipment
from shipping.providers import Address
from shipping.services import change_standing_order, pause_standing_order
from shipping.services.preparing import edit_shipment
from shipping.tests.factories import (
    DeliveryOrderFactory,
    SentShipmentFactory,
    ShipmentFactory,
    StandingOrderFactory,
    fold,
)
from uploads.models import Upload, UploadChunk, UploadKey, UploadRow

PASSWORD = "mboga-na-matunda-7"


@dataclass(frozen=True)
class Who:
    """Whose words are their own: no other row has them."""

    first: str
    last: str
    phone: str
    written: str
    email: str
    street: str
    city: str
    postcode: str
    code: str

    @property
    def name(self):
        return f"{self.first} {self.last}"

    @property
    def marks(self):
        """What no row may say any more, in small letters, however it is written."""
        digits = self.phone[4:]
        spaced = f"{digits[:3]} {digits[3:6]} {digits[6:]}"
        parts = (self.first, self.last, self.street, self.city, self.postcode)
        return [*map(str.lower, parts), digits, spaced]

    def address(self, kind=Address):
        names = ("recipient", "line_1", "line_2", "city", "postcode", "country")
        values = (self.name, self.street, f"Behind {self.street}", self.city, self.postcode, "KE")
        fields = dict(zip(names, values, strict=True))
        if kind is Address:
            return Address(**fields)
        renamed = {"line_1": "address_line_1", "line_2": "address_line_2"}
        return Delivery(
            delivery_method=DeliveryMethod.DELIVERY,
            **{renamed.get(name, name): value for name, value in fields.items()},
        )


ZUHURA = Who(
    first="Zuhura",
    last="Kipkemboi",
    phone="+254722918273",
    written="0722 918 273",
    email="zuhura.kipkemboi@posta.example",
    street="Kilimani Flats 77",
    city="Ngongville",
    postcode="ZK 7700",
    code="C-ZK",
)
# Alike in everything, and somebody else.
ZUHRA = Who(
    first="Zuhra",
    last="Kipkembo-Ruto",
    phone="+254722918274",
    written="0722 918 274",
    email="zuhra.k@posta.example",
    street="Kilimanjaro Flats 77",
    city="Ngongtown",
    postcode="ZK 7701",
    code="C-ZK2",
)


def somebody_everywhere(who, *, keeper, api):
    """Return a customer with an account, of whom every app keeps something."""
    user = people.create_local_person(name=who.first, email=who.email, password=PASSWORD)
    user.last_name = who.last
    user.save()
    customer = Customer.objects.get(user=user)
    update_customer(customer_id=customer.pk, name=who.name, phone=who.phone, code=who.code)
    customer.refresh_from_db()
    _account(who, user, keeper)
    _orders(who, user, customer, keeper, api)
    _bookings(who, customer)
    _shipping(who, user, customer)
    _repairs(who, keeper)
    _conversations(who, customer)
    _uploads(who)
    _messages(who, customer)
    _traces(who, user, customer, keeper)
    return Customer.objects.get(pk=customer.pk)


def _account(who, user, keeper):
    Identity.objects.create(issuer="https://login.example", subject=who.email, user=user)
    ProviderSession.objects.create(
        issuer="https://login.example", sid="s", subject=who.email, session_key=who.code
    )
    Authenticator.objects.create(
        user=user, type="webauthn", data={"name": f"The phone of {who.first}"}
    )
    invitations.invite(by=keeper, email=who.email)
    invitations.invite(by=keeper, phone=who.phone)
    people.change_name(user=user, name=who.name)
    user.first_name, user.last_name = who.first, who.last
    user.save()
    record_refusal(by=None, target="sign-in", email=who.email)
    send_phone_code(user=user, phone=who.phone)


def _orders(who, user, customer, keeper, api):
    tea = VariantFactory.create(sku=f"TEA-{who.code}", stock=100, price="12.50")
    lines = [Wanted(sku=tea.sku, quantity=2)]
    told = orders.place_order(customer=customer, lines=lines, by=user, note=f"For {who.first}.")
    orders.edit_order(order_id=told.pk, by=keeper, delivery=who.address(Delivery), note=who.written)
    orders.edit_order(order_id=told.pk, by=keeper, note=f"Ring {who.first}.")
    orders.accept_order(order_id=told.pk, by=keeper)
    refused = orders.place_order(customer=customer, lines=lines, by=user)
    orders.reject_order(order_id=refused.pk, by=keeper, reason=f"{who.first} rang.")
    placed = api.post(
        "/orders/",
        {"customer": who.code, "lines": [{"sku": tea.sku, "quantity": 1}], "note": who.first},
        Idempotency_Key=f"key-of-{who.code}",
    )
    assert placed.status_code == 201
    Cart.objects.create(user=user, expires_at=timezone.now() + timedelta(days=1))


def _bookings(who, customer):
    booking = BookingFactory.create(customer=customer)
    cancel_booking(booking_id=booking.pk, by=None, reason=f"{who.first} is ill.")
    BookingFactory.create(customer=customer)


def _shipping(who, user, customer):
    def to(address):
        return DeliveryOrderFactory.create(customer=customer, delivery=address)

    delivered = SentShipmentFactory.create(order=to(who.address(Delivery)))
    fold(delivered, "delivered", 1, detail=f"Signed by {who.first}.")
    Shipment.objects.filter(pk=delivered.pk).update(
        tracking_url=f"https://carrier.example/?to={who.email}", error=f"{who.street}?"
    )
    waiting = ShipmentFactory.create(order=to(who.address(Delivery)))
    edit_shipment(
        shipment_id=waiting.pk,
        by=None,
        address=replace(
            who.address(),
            recipient=who.first,
            line_1=f"{who.street} b",
            city=f"{who.city} b",
            postcode="1",
        ),
    )
    News.objects.create(
        carrier=delivered.carrier,
        source="webhook",
        body=json.dumps({"to": who.name, "street": who.street}).encode(),
        state="bad",
        detail=f"{who.first}?",
        reference=delivered.number,
    )
    standing = StandingOrderFactory.create(customer=customer, address=who.address())
    change_standing_order(
        standing_order_id=standing.pk,
        by=user,
        address=replace(who.address(), line_1=f"{who.street} c"),
    )
    pause_standing_order(standing_order_id=standing.pk, by=None, reason=f"{who.first} travels.")
    Occurrence.objects.create(
        standing_order=standing, on="2020-01-01", status="skipped", reason=f"{who.first} said so."
    )


def _repairs(who, keeper):
    job = JobFactory.create(
        firstname=who.first,
        lastname=who.last,
        postcode=who.postcode,
        mobile=who.written,
        phone=who.phone,
    )
    Job.objects.filter(pk=job.pk).update(
        phone_error=f"Not {who.first}'s?", postcode_key=who.postcode
    )
    JobNote.objects.create(job=job, text=f"{who.first} is deaf.", by=keeper)
    Aside.objects.create(
        source=job.source,
        key=who.code,
        reason="bad_key",
        detail="",
        row={"job_id": "x", "client_firstname": who.first, "client_mobile": who.written},
    )


def _conversations(who, customer):
    now = timezone.now()
    contact = {"channel": Channel.SMS, "direction": Direction.IN, "at": now}
    record_contact(**contact, text=f"I am {who.first}.", customer=customer, phone=who.phone)
    record_contact(**contact, text="Who is this?", phone=who.phone)
    make_interaction(custom={"log": f"Her number is {who.written}."}, source_id=who.phone)
    file, _ = ImportedFile.objects.get_or_create(
        fingerprint="f", defaults={"name": "old.json", "collection": "interactions"}
    )
    RejectedLine.objects.create(
        file=file,
        number=RejectedLine.objects.count() + 1,
        content=f'{{"mail": "{who.email}"'.encode() + b"\xff",
        errors=[{"pointer": "", "code": "invalid", "detail": f"{who.email} is no number."}],
    )


def _uploads(who):
    upload = Upload.objects.create(
        kind="customers",
        name="people.csv",
        format="csv",
        size=1,
        mode="skip_bad_rows",
        dry_run=False,
        status="cancelled",
        ended_at=timezone.now(),
    )
    UploadChunk.objects.create(upload=upload, content=f"{who.name},{who.written}".encode())
    for number, (subject, fields) in enumerate(
        (
            (who.code, {"name": who.name, "phone": who.written}),
            ("", {"name": who.first, "phone": who.written, "email": who.email}),
        ),
        start=2,
    ):
        UploadRow.objects.create(
            upload=upload,
            number=number,
            group=number,
            subject=subject,
            data=fields,
            changes={"phone": ["", who.phone]},
            errors=[{"field": "email", "code": "invalid", "detail": f"{who.email}?"}],
        )
    UploadKey.objects.create(upload=upload, key=f"phone:{who.phone}", number=2)


def _messages(who, customer):
    sent = MessageFactory.create(
        recipient=who.code,
        occurrence=f"known-{who.code}",
        to=who.phone,
        status="sent",
        body=f"{who.first}!",
        data={"customer": who.name},
        error=f"Invalid number: {who.phone}",
        transport="vonage",
        transport_id=who.code,
    )
    sent.timeline.create(what="settled", detail=f"{who.first} rang")
    MessageFactory.create(
        recipient=who.phone, to=who.phone, body="Hello.", occurrence=f"stranger-{who.code}"
    )
    InboundMessage.objects.create(
        transport="vonage",
        gateway_id=f"in-{who.code}",
        phone=who.phone,
        text=f"{who.first} here",
        customer=customer.code,
        recorded=True,
    )
    Callback.objects.create(
        transport="vonage",
        kind="report",
        key=who.code,
        state="unmatched",
        detail=f"{who.phone}?",
        body=f"to={who.phone}".encode(),
    )
    note_consent(
        phone=who.phone, opted_out=False, source=ConsentSource.STAFF, detail=f"{who.first} said so"
    )


def _traces(who, user, customer, keeper):
    kind = ContentType.objects.get_for_model(Customer)
    LogEntry.objects.create(
        user=keeper,
        content_type=kind,
        object_id=str(customer.pk),
        object_repr=str(customer),
        action_flag=CHANGE,
        change_message=f'[{{"changed": {{"name": "phone", "object": "{who.first}"}}}}]',
    )
    LogEntry.objects.create(
        user=keeper,
        content_type=ContentType.objects.get_for_model(user),
        object_id=str(user.pk),
        object_repr=str(user),
        action_flag=CHANGE,
    )
    queue_mail(subject="Hello", body=f"Hello {who.first}", to=who.email)
    task = DBTaskResult.objects.order_by("enqueued_at").last()
    failed = DBTaskResult.objects.create(
        task_path=task.task_path,
        backend_name=task.backend_name,
        run_after=timezone.now() + timedelta(days=1),
        args_kwargs={"args": [], "kwargs": {}},
        status="FAILED",
        exception_class_path="ValueError",
        traceback=f"ValueError: {who.email}",
        return_value=who.email,
    )
    assert failed.pk


# What the database says, whatever the models say


def words_by_column():
    """Return {"table.column": all that its rows say} of every column that can hold words."""
    found = {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c
            JOIN information_schema.tables t USING (table_schema, table_name)
            WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.data_type IN (
                'character varying', 'character', 'text', 'json', 'jsonb', 'bytea', 'ARRAY',
                'USER-DEFINED', 'tsvector', 'inet'
            )
            """
        )
        for table, column, kind in cursor.fetchall():
            said = f"encode(\"{column}\", 'escape')" if kind == "bytea" else f'"{column}"::text'
            # The cache's values are pickled in base64.
            if (table, column) == ("core_cache", "value"):
                said = f"encode(decode(\"{column}\", 'base64'), 'escape')"
            cursor.execute(f'SELECT {said} FROM "{table}" WHERE "{column}" IS NOT NULL ORDER BY 1')
            found[f"{table}.{column}"] = "\n".join(row[0] for row in cursor.fetchall())
    return found


def columns_saying(who):
    """Return the columns that say something of theirs."""
    return sorted(
        column
        for column, words in words_by_column().items()
        if any(mark in words.lower() for mark in who.marks)
    )


def rows_of(who):
    """Return all rows that say something of theirs, as text."""
    rows = []
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            table = model._meta.db_table
            cursor.execute(f'SELECT each::text FROM "{table}" each ORDER BY 1')
            rows += [
                f"{table}: {row}"
                for (row,) in cursor.fetchall()
                if any(mark in row.lower() for mark in who.marks)
            ]
    return rows
