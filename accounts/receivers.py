"""What accounts listen to: the sign-ins of Django and allauth."""

from typing import Any

from allauth.account.signals import (
    email_changed,
    email_confirmed,
    password_changed,
    password_reset,
    password_set,
)
from allauth.mfa.signals import (
    authenticator_added,
    authenticator_removed,
    authenticator_reset,
)
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from core import doctor

from .models import User
from .services.audit import record, record_refusal
from .services.examining import examine_identity, examine_issuer, examine_issuer_clock
from .services.people import confirm_email
from .services.sessions import end_tokens
from .states import Action


@receiver(user_logged_in)
def on_sign_in(*, user: User, request: HttpRequest | None = None, **_: Any) -> None:
    if request is not None:
        # It may have begun as a stranger's, which lasts an hour.
        request.session.set_expiry(None)
    record(Action.SIGNED_IN, by=user, target=user, backend=getattr(user, "backend", ""))


@receiver(user_login_failed)
def on_refused(*, credentials: dict[str, Any], **_: Any) -> None:
    # Whom they claimed to be, or nobody could tell an attack from a slip. Never the password.
    claimed = credentials.get("email") or credentials.get("username") or ""
    if claimed:
        record_refusal(by=None, target="sign-in", email=str(claimed)[:254].replace("\x00", ""))


@receiver(user_logged_out)
def on_sign_out(*, user: User | None, **_: Any) -> None:
    if user is not None:
        # They would outlive the session: allauth looks for them when it is gone already.
        end_tokens(user=user)
        record(Action.SIGNED_OUT, by=user, target=user)


@receiver([password_changed, password_reset, password_set])
def on_new_password(*, user: User, **_: Any) -> None:
    # As other sessions end, so does what other clients were given.
    end_tokens(user=user)
    record(Action.NEW_PASSWORD, by=user, target=user)


@receiver([authenticator_added, authenticator_removed, authenticator_reset])
def on_second_step(*, user: User, authenticator: Any, **_: Any) -> None:
    record(Action.SECOND_STEP, by=user, target=user, kind=str(authenticator.type))


@receiver(email_changed)
def on_new_email(*, user: User, **_: Any) -> None:
    record(Action.NEW_EMAIL, by=user, target=user)


@receiver(email_confirmed)
def on_verified(*, email_address: Any, **_: Any) -> None:
    confirm_email(user=email_address.user)


doctor.register("identity", examine_identity)
doctor.register("issuer", examine_issuer, network=True)
doctor.register("clock", examine_issuer_clock, network=True)
