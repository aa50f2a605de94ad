"""E-mail, sent by a worker: a slow mail server holds up no request, and its time tells nothing."""

import logging
from datetime import timedelta
from smtplib import SMTPException

from django.core.mail import EmailMessage
from django.utils import timezone
from django_tasks import TaskContext, task
from django_tasks_db.models import DBTaskResult

logger = logging.getLogger("duka.mail")

# Seconds before each further try.
RETRY_SECONDS = (10, 60, 300, 1800)


def queue_mail(*, subject: str, body: str, to: str) -> None:
    """Have a mail sent, if the transaction that says so comes to pass."""
    # Not on commit: the task's own row is what must not be lost.
    send_mail.enqueue(subject=subject, body=body, to=to, tries=0)


@task(takes_context=True)
def send_mail(context: TaskContext, subject: str, body: str, to: str, tries: int) -> str:
    """Send one mail; a mail server that fails is tried again later.

    A worker that dies in between may send it twice: a code twice does no harm.
    """
    outcome = deliver(subject=subject, body=body, to=to, tries=tries)
    # Its words may open something, and the task's row stays for a day.
    DBTaskResult.objects.filter(pk=context.task_result.id).update(
        args_kwargs={"args": [], "kwargs": {}}
    )
    return outcome


def deliver(*, subject: str, body: str, to: str, tries: int) -> str:
    """Hand a mail to the mail server; return `sent`, `later` or `given up`."""
    try:
        EmailMessage(subject=subject, body=body, to=[to]).send()
    except (SMTPException, OSError) as error:
        if tries >= len(RETRY_SECONDS):
            logger.exception("mail given up after %s tries", tries + 1)
            return "given up"
        logger.warning("mail not sent (%s); it is tried again", type(error).__name__)
        due = timezone.now() + timedelta(seconds=RETRY_SECONDS[tries])
        send_mail.using(run_after=due).enqueue(subject=subject, body=body, to=to, tries=tries + 1)
        return "later"
    return "sent"
