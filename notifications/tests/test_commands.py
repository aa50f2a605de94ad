"""`manage.py send_test_sms` and `manage.py notifications status`."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now
from django.utils import timezone

from core.models import Worker
from notifications.models import Callback, Message, Pace
from notifications.services import deliver_due_messages

from .factories import MessageFactory

pytestmark = pytest.mark.django_db
PHONE = "+254722000001"
CHOICES = (
    "Error: argument --transport: invalid choice: '{}'"
    " (choose from 'africastalking', 'console', 'vonage')"
)


def output(*arguments, **options):
    out = StringIO()
    call_command(*arguments, stdout=out, **options)
    return out.getvalue()


def refusal(*arguments):
    with pytest.raises(CommandError) as refused:
        call_command(*arguments)
    return str(refused.value)


class TestSendTestSms:
    def test_by_the_console_it_is_printed(self, settings, caplog):
        settings.SHOP_NAME = "Mama's"

        with caplog.at_level("INFO", "duka.sms"):
            said = output("send_test_sms", "0722 000 001")

        assert said == f"console, {PHONE}, 1 SMS (gsm-7): taken as console-test.\n"
        assert f"SMS to {PHONE}: Mama's: this is a test." in caplog.text

    def test_what_a_gateway_took_is_told_with_its_id_and_cost(self, gateway):
        said = output("send_test_sms", "0722 000 001", text="Habari ĩ")

        assert said == f"africastalking, {PHONE}, 1 SMS (ucs-2): taken as ATXid_1. KES 0.8000\n"
        assert gateway.book()[0]["message"] == "Habari ĩ"

    def test_vonage_says_no_cost(self, vonage):
        said = output("send_test_sms", PHONE)

        ident = "00000000-0000-4000-8000-000000000001"
        assert said == f"vonage, {PHONE}, 1 SMS (gsm-7): taken as {ident}.\n"

    @pytest.mark.parametrize(
        ("behaviour", "answer"),
        [
            ("403", "refused (403): invalid phone number"),
            ("405", "refused (405): insufficient balance"),
            ("invalid_sender", "refused (InvalidSenderId): invalid sender id"),
            ("dnd_409", "refused (409): the number is on its operator's do-not-disturb list"),
            ("http:401", "refused (http_401): HTTP 401: No, thank you."),
            ("drop_after", "nobody knows. ConnectionError: "),
            ("took_http:500 Oops", "nobody knows. HTTP 500: Oops"),
            ("text:Fine", "nobody knows. The gateway's answer is not JSON: "),
        ],
    )
    def test_every_other_outcome_fails_the_command_in_a_sentence(self, gateway, behaviour, answer):
        gateway.behave(PHONE, behaviour)

        said = refusal("send_test_sms", PHONE)

        assert said.startswith(f"africastalking, {PHONE}, 1 SMS (gsm-7): {answer}")
        assert len(gateway.book()) == 1

    def test_a_gateway_that_is_not_there_is_told(self, settings, gateway):
        settings.AFRICASTALKING_URL = "http://127.0.0.1:1"

        assert refusal("send_test_sms", PHONE) == (
            f"africastalking, {PHONE}, 1 SMS (gsm-7): refused (unreachable):"
            " The gateway cannot be reached."
        )

    def test_the_route_of_its_country_counts_unless_a_gateway_is_named(
        self, settings, gateway, vonage
    ):
        settings.SMS_ROUTES = [("+254", ["vonage", "africastalking"]), ("*", ["console"])]

        assert output("send_test_sms", PHONE).startswith("vonage, ")
        assert output("send_test_sms", "+255712000001").startswith("console, ")
        assert output("send_test_sms", PHONE, transport="africastalking").startswith("africast")
        assert [len(each.book()) for each in (gateway, vonage)] == [1, 1]

    def test_a_message_of_the_test_is_in_no_list(self, gateway):
        output("send_test_sms", PHONE)

        assert not Message.objects.exists()

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (
                ["12"],
                (
                    "This is not a phone number. Write it as 0722 000 000"
                    " or with its country code, +254 722 000 000."
                ),
            ),
            ([PHONE, "--transport", "pigeon"], CHOICES.format("pigeon")),
            ([PHONE, "--transport", "base"], CHOICES.format("base")),
            ([], "Error: the following arguments are required: phone"),
        ],
    )
    def test_bad_arguments_are_told(self, gateway, arguments, sentence):
        assert refusal("send_test_sms", *arguments) == sentence
        assert gateway.book() == []

    def test_a_gateway_without_its_settings_says_which(self, settings):
        settings.VONAGE_API_KEY, settings.VONAGE_API_SECRET = "abcd1234", "s3cret-of-the-tests"
        settings.VONAGE_SENDER = ""

        said = refusal("send_test_sms", PHONE, "--transport", "vonage")

        assert said == "vonage needs VONAGE_SENDER, a number or a name."


class TestStatus:
    def test_where_all_is_well_it_says_so(self):
        for state in ("sent", "delivered", "suppressed"):
            MessageFactory.create(status=state)
        Callback.objects.create(transport="vonage", kind="report", key="1", body=b"", state="done")

        assert status() == ["Nothing waits, nothing went wrong."]

    def test_what_waits_for_its_first_try_is_counted(self):
        made = [MessageFactory.create() for _ in range(2)]
        age(made[0], hours=2)

        assert status() == ["     2 queued, the oldest for 2 hours: not tried yet."]

    def test_without_a_worker_it_says_what_to_start(self):
        message = MessageFactory.create(due_at=timezone.now() - timedelta(minutes=2))
        needed = "No worker runs, so nothing goes out: start `manage.py worker`"

        assert status()[0] == f"{needed} and `ticker`."

        Worker.objects.create(id="one", seen_at=timezone.now() - timedelta(minutes=1))
        assert status()[0].startswith(needed)
        Worker.objects.create(id="two")
        assert not status()[0].startswith(needed)
        Worker.objects.all().delete()
        # It waits for another try, or only just began to wait.
        Message.objects.filter(pk=message.pk).update(due_at=Now())
        assert not status()[0].startswith(needed)

    @pytest.mark.parametrize(
        ("behaviour", "line"),
        [
            (
                "407",
                (
                    "queued, the oldest for 0 minutes: africastalking refused: could not be routed"
                    " (407). The next try is due in 9 minutes."
                ),
            ),
            (
                "403",
                (
                    "failed, the oldest for 0 minutes: africastalking refused for good: invalid phone"
                    " number (403). Of the last 7 days; nothing more is tried."
                ),
            ),
            (
                "took_http:500 Oops.",
                (
                    "unknown, the oldest for 0 minutes: nobody knows whether africastalking took them:"
                    " HTTP 500: Oops. They are not sent again by themselves. Ask the customers or the"
                    " gateway, then settle them in the admin."
                ),
            ),
        ],
    )
    def test_what_a_gateway_did_not_take_is_told_with_its_reason_and_what_to_do(
        self, gateway, settings, behaviour, line
    ):
        settings.MESSAGE_RETRY_SECONDS = [599]
        gateway.behave(PHONE, behaviour)
        MessageFactory.create(to=PHONE)
        deliver_due_messages()

        assert status() == [f"     1 {line}"]

    def test_a_gateway_that_is_down_is_told_with_what_it_said(self, gateway):
        gateway.behave("*", "http:401")
        MessageFactory.create_batch(4)
        deliver_due_messages()
        Pace.objects.update(failing_since=timezone.now() - timedelta(minutes=5))

        assert output("notifications", "status").splitlines()[0] == (
            "africastalking has taken nothing for 5 minutes: HTTP 401: No, thank you. Messages wait"
            " for it and lose no try; it is asked again every 60 seconds or sooner."
        )

    def test_what_is_out_of_tries_is_told_with_what_to_do(self, gateway, settings):
        settings.MESSAGE_RETRY_SECONDS = []
        gateway.behave(PHONE, "407")
        MessageFactory.create(to=PHONE)
        deliver_due_messages()

        assert status() == [
            (
                "     1 parked, the oldest for 0 minutes: africastalking refused again and again:"
                " could not be routed (407). When that is mended, retry them in the admin, or cancel"
                " them."
            )
        ]

    def test_a_try_that_is_due_is_due_at_once(self):
        MessageFactory.create(transport="vonage", error_code="http_429", error="HTTP 429: Slow.")

        assert status() == [
            (
                "     1 queued, the oldest for 0 minutes: vonage refused: HTTP 429: Slow (http_429)."
                " The next try is due within a minute."
            )
        ]

    def test_what_a_gateway_is_being_asked_is_told(self):
        MessageFactory.create(status="sending", transport="vonage")

        assert status() == ["     1 sending, the oldest for 0 minutes: vonage is being asked."]

    def test_they_are_grouped_by_where_they_stand_and_why_the_most_first(self):
        for state, gateway, code in (
            ("failed", "vonage", "http_422"),
            ("unknown", "africastalking", "unknown"),
            ("unknown", "vonage", "unknown"),
            ("unknown", "vonage", "unknown"),
            ("parked", "vonage", "http_401"),
            ("queued", "", ""),
        ):
            MessageFactory.create(status=state, transport=gateway, error_code=code, error="No")

        assert [line.split(",")[0] for line in status()] == [
            "     1 queued",
            "     2 unknown",
            "     1 unknown",
            "     1 parked",
            "     1 failed",
        ]

    def test_what_failed_long_ago_is_over_and_what_is_parked_is_not(self):
        for state in ("failed", "parked"):
            age(MessageFactory.create(status=state, error="No", error_code="1"), days=8)

        [line] = status()
        assert line.startswith("     1 parked, the oldest for 1 week:")

    def test_callbacks_that_had_no_effect_are_counted(self):
        for number, state in enumerate(("bad", "unmatched", "unmatched", "done", "new", "new")):
            Callback.objects.create(
                transport="vonage", kind="report", key=str(number), body=b"", state=state
            )
        # The other has just come.
        Callback.objects.filter(key="4").update(received_at=timezone.now() - timedelta(minutes=2))

        assert status() == [
            "     1 callbacks of vonage could not be understood; see them in the admin.",
            "     1 callbacks of vonage wait to be looked at.",
            "     2 callbacks of vonage are about messages that nobody here knows, or not yet.",
        ]

    @pytest.mark.parametrize("arguments", [[], ["stats"]])
    def test_bad_arguments_are_told(self, arguments):
        assert "Error: " in refusal("notifications", *arguments)


def status():
    return output("notifications", "status").splitlines()


def age(message, **ago):
    Message.objects.filter(pk=message.pk).update(created_at=timezone.now() - timedelta(**ago))
