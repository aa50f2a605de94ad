"""How somebody is found in text, and what is forgotten of traces that no app owns."""

import re

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django_tasks_db.models import DBTaskResult

from accounts.tests.factories import UserFactory
from core.forgetting import Erasure, forget_traces, pattern_of, saying, summed
from core.mail import queue_mail
from core.models import IdempotencyKey, Worker
from customers.tests.factories import CustomerFactory

PHONE, EMAIL = "+254722000001", "amina@posta.example"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("+254722000001", True),
        ("tel:+254 (0)722 000 001.", True),
        ("00254 722-000-001", True),
        ("0722000001", True),
        ("722 000 001", True),
        ("722/000.001", True),
        ("1722000001", False),
        ("+2547220000012", False),
        ("0722000002", False),
        ("", False),
    ],
)
def test_a_number_is_found_however_it_is_written(text, found):
    assert bool(re.search(pattern_of(phone=PHONE), text)) is found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<amina@posta.example>", True),
        ("Write to AMINA@posta.example.", True),
        ('{"text": "Mail:\\namina@posta.example"}', True),
        ("xamina@posta.example", False),
        ("a.amina@posta.example", False),
        ("amina@posta.example.org", False),
        ("amina@postaxexample", False),
    ],
)
def test_an_address_is_found_whole(text, found):
    assert bool(re.search(pattern_of(email=EMAIL), text.lower())) is found


def test_a_code_is_found_as_a_text_of_json_alone():
    pattern = pattern_of(code="C7")

    assert re.search(pattern, '{"customer": "C7"}')
    assert not re.search(pattern, '{"customer": "C77", "C7x": 1}')
    assert pattern_of() == ""


@pytest.mark.django_db
class TestTraces:
    def answer(self, key, body):
        return IdempotencyKey.objects.create(
            caller="x", key=key, fingerprint="f", status=201, body=body
        )

    def test_stored_answers_that_name_them_are_deleted(self):
        self.answer("code", b'{"customer": "C7"}')
        self.answer("phone", b'{"phone": "+254722000001"}')
        self.answer("email", b'\xff{"email": "amina@posta.example"}')
        self.answer("other", b'{"customer": "C77", "phone": "+254722000002"}')

        answers = forget_traces(phone=PHONE, email=EMAIL, code="C7")[0]

        assert answers == Erasure(app="core", what="stored answers", deleted=3)
        assert IdempotencyKey.objects.get().key == "other"

    def test_mails_to_them_are_deleted_but_one_that_a_worker_has_in_hand(self):
        for _ in range(2):
            queue_mail(subject="s", body="b", to=EMAIL)
        queue_mail(subject="s", body="b", to="halima@posta.example")
        running = DBTaskResult.objects.order_by("enqueued_at").first()
        DBTaskResult.objects.filter(pk=running.pk).update(status="RUNNING")

        tasks = forget_traces(email=EMAIL)[1]

        assert tasks.deleted == 1
        assert DBTaskResult.objects.count() == 2
        assert DBTaskResult.objects.filter(pk=running.pk).exists()

    def test_the_admin_s_log_names_them_no_more_and_others_still(self):
        theirs, other = CustomerFactory.create_batch(2)
        user = UserFactory.create()
        for row, message in ((theirs, ""), (other, ""), (other, f"to {EMAIL}")):
            LogEntry.objects.log_actions(user.pk, [row], CHANGE, change_message=message)

        log = forget_traces(email=EMAIL, rows=[theirs])[2]

        assert log.blanked == 2
        said = LogEntry.objects.order_by("pk").values_list("object_repr", "change_message")
        assert list(said) == [("–", ""), (str(other), ""), ("–", "")]
        assert forget_traces(email=EMAIL, rows=[theirs])[2].is_nothing

    def test_nothing_to_look_for_finds_nothing(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert list(saying(Worker.objects.all(), "", "id")) == []


def test_what_several_say_of_one_kind_is_one():
    kind = {"app": "x", "what": "rows"}

    assert summed(
        [
            Erasure(**kind, blanked=1, kept=3, reason="Books."),
            Erasure(app="x", what="others", deleted=1),
            Erasure(**kind, blanked=2, deleted=1, kept=2, beyond="Paper."),
        ]
    ) == [
        Erasure(**kind, blanked=3, deleted=1, kept=3, reason="Books.", beyond="Paper."),
        Erasure(app="x", what="others", deleted=1),
    ]
