"""E-mail goes out by a worker, and is tried again while the mail server is not to be had."""

import logging
import socket
import time

import pytest
from django.db import transaction
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from core.mail import RETRY_SECONDS, deliver, queue_mail
from tests.processes import spawn_manage, wait_until

from .smtp import MailServer

pytestmark = pytest.mark.django_db

MAIL = {"subject": "Duka: your code", "body": "123456 – asante", "to": "amina@example.com"}


@pytest.fixture
def mail_server(settings):
    """`mail_server("hang")`: the shop's mail server, which does that."""
    made = []

    def make(behaviour="take"):
        made.append(server := MailServer(behaviour).__enter__())
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.EMAIL_TIMEOUT = 0.3
        return server

    yield make
    for server in made:
        server.__exit__(None, None, None)


def send(tries=0):
    return deliver(**MAIL, tries=tries)


def test_a_mail_that_the_server_takes_is_sent_once(mail_server, settings):
    settings.DEFAULT_FROM_EMAIL = "Duka <shop@duka.example>"
    server = mail_server()

    assert send() == "sent"

    [mail] = server.taken
    assert (mail["From"], mail["To"], mail["Subject"]) == (
        "Duka <shop@duka.example>", "amina@example.com", "Duka: your code",
    )  # fmt: skip
    assert mail.get_content().strip() == "123456 – asante"
    assert not DBTaskResult.objects.exists()


@pytest.mark.parametrize("behaviour", ["busy", "refuse", "hang", "gone"])
def test_a_mail_that_it_does_not_take_is_tried_again_later(mail_server, settings, behaviour):
    server = mail_server(behaviour)
    if behaviour == "gone":
        with socket.create_server(("127.0.0.1", 0)) as closed:
            settings.EMAIL_PORT = closed.getsockname()[1]
    started = timezone.now()

    assert send() == "later"

    again = DBTaskResult.objects.get()
    assert (timezone.now() - started).total_seconds() < 5
    assert again.task_path == "core.mail.send_mail"
    assert again.args_kwargs["kwargs"] == {**MAIL, "tries": 1}
    assert 10 <= (again.run_after - started).total_seconds() < 15
    assert server.taken == []


@pytest.mark.parametrize(("tries", "wait"), list(enumerate(RETRY_SECONDS)))
def test_the_waits_grow(mail_server, tries, wait):
    mail_server("busy")
    started = timezone.now()

    send(tries)

    again = DBTaskResult.objects.get()
    assert wait <= (again.run_after - started).total_seconds() < wait + 5
    assert again.args_kwargs["kwargs"]["tries"] == tries + 1


def test_in_the_end_it_is_given_up_and_said(mail_server, caplog):
    mail_server("busy")
    caplog.set_level(logging.INFO, "duka.mail")

    assert send(len(RETRY_SECONDS)) == "given up"

    assert caplog.messages == ["mail given up after 5 tries"]
    assert not DBTaskResult.objects.exists()


def test_a_failure_is_said_without_what_stands_in_the_mail(mail_server, caplog):
    mail_server("refuse")

    send()
    send(len(RETRY_SECONDS))

    assert caplog.messages == [
        "mail not sent (SMTPRecipientsRefused); it is tried again",
        "mail given up after 5 tries",
    ]
    assert "123456" not in caplog.text


def test_nothing_is_sent_of_what_did_not_come_to_pass(mail_server):
    def undone():
        with transaction.atomic():
            queue_mail(**MAIL)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        undone()

    assert not DBTaskResult.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_for_a_mail_server_that_hangs(mail_server):
    mail_server("hang")
    started = time.monotonic()

    queue_mail(**MAIL)

    assert time.monotonic() - started < 0.3
    assert DBTaskResult.objects.get().args_kwargs["kwargs"] == {**MAIL, "tries": 0}


@pytest.mark.django_db(transaction=True)
def test_a_worker_sends_it(mail_server):
    server = mail_server()
    queue_mail(**MAIL)

    with spawn_manage("worker", env={"EMAIL_URL": f"smtp://127.0.0.1:{server.port}"}):
        wait_until(lambda: server.taken)
        # Its row stays for a day, but not the code that stood in it.
        wait_until(lambda: DBTaskResult.objects.get().args_kwargs == {"args": [], "kwargs": {}})

    assert server.taken[0]["To"] == "amina@example.com"
