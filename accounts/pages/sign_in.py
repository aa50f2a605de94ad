"""Signing in and out by OpenID Connect, and what people see where that fails."""

import logging
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib import auth, messages
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST
from mozilla_django_oidc.views import (
    OIDCAuthenticationCallbackView,
    OIDCAuthenticationRequestView,
)

from accounts.oidc import claims, tokens
from accounts.oidc.discovery import endpoint
from accounts.oidc.errors import InvalidTokenError, ProviderUnavailableError
from accounts.services.audit import record_refusal
from accounts.services.sessions import end_provider_sessions, note_provider_session
from accounts.services.setup import ensure_own_client

logger = logging.getLogger("duka.sign_in")

# How long it may take from here to the provider and back.
STRANGER_SECONDS = 3600


class SignInView(OIDCAuthenticationRequestView):
    """`/oidc/authenticate/?next=…` sends people to the provider; `again=1` has them prove anew."""

    def get(self, request: HttpRequest) -> HttpResponse:
        # The cookie must be where the provider sends them back to.
        if request.get_host() != urlsplit(settings.SHOP_URL).netloc:
            return HttpResponseRedirect(f"{settings.SHOP_URL}{request.get_full_path()}")
        if settings.OIDC_EMBEDDED:
            ensure_own_client()
        if not request.user.is_authenticated:
            # What a stranger begins and leaves need not be kept as long as a sign-in.
            request.session.set_expiry(STRANGER_SECONDS)
        try:
            response: HttpResponse = super().get(request)
        except ProviderUnavailableError as error:
            return provider_down(request, error)
        return response

    def get_extra_params(self, request: HttpRequest) -> dict[str, str]:
        extra = {"redirect_uri": claims.callback_url()}
        if "again" in request.GET:
            # With `max_age` the provider must say when they proved who they are (Core 3.1.2.1).
            extra |= {"prompt": "login", "max_age": "0"}
        return extra


class CallbackView(OIDCAuthenticationCallbackView):
    """Where the provider sends people back to."""

    def get(self, request: HttpRequest) -> HttpResponse:
        if "error" in request.GET:
            # Stock: signs out whoever opens a link with ?error=x.
            return self.login_failure()
        try:
            response: HttpResponse = super().get(request)
        except ProviderUnavailableError as error:
            return provider_down(request, error)
        except (InvalidTokenError, SuspiciousOperation) as error:
            logger.warning("sign-in refused: %s", error)
            record_refusal(by=None, target="sign-in", reason=str(error)[:200])
            return self.login_failure()
        return response

    def login_success(self) -> HttpResponse:
        said = self.user.__dict__.pop("oidc_claims")
        response: HttpResponse = super().login_success()
        self.request.session["oidc_id_token"] = self.request.oidc_id_token
        self.request.session["oidc_auth_time"] = said.get("auth_time")
        if not settings.OIDC_EMBEDDED:
            self.request.session.save()
            note_provider_session(claims=said, session_key=self.request.session.session_key)
        return response

    def login_failure(self) -> HttpResponse:
        title = "You are not signed in"
        text = "Signing in was not finished. It may have taken too long, or was called off."
        again = reverse("oidc_authentication_init")
        context = {"title": title, "text": text, "link": again, "label": "Sign in again"}
        return render(self.request, "pages/message.html", context, status=400)


def provider_down(request: HttpRequest, error: ProviderUnavailableError) -> HttpResponse:
    logger.error("the sign-in provider is not to be had: %s", error)
    context = {
        "title": "Signing in is not possible just now",
        "text": "The sign-in service does not answer. Please try again in a few minutes."
        " Whoever is signed in stays so.",
        "link": request.get_full_path(),
        "label": "Try again",
    }
    response = render(request, "pages/message.html", context, status=503)
    response["Retry-After"] = "60"
    return response


def end_session_url(request: HttpRequest) -> str:
    """Return where signing out leads: to the provider's own end of session, where it has one."""
    if settings.OIDC_EMBEDDED:
        return str(settings.LOGOUT_REDIRECT_URL)
    try:
        address = endpoint("end_session_endpoint")
    except ProviderUnavailableError:
        return str(settings.LOGOUT_REDIRECT_URL)
    query = {
        "client_id": settings.OIDC_RP_CLIENT_ID,
        "post_logout_redirect_uri": f"{settings.SHOP_URL}/",
    }
    if hint := request.session.get("oidc_id_token"):
        query["id_token_hint"] = hint
    return f"{address}?{urlencode(query)}"


@csrf_exempt
@require_POST
def back_channel_logout(request: HttpRequest) -> HttpResponse:
    """The provider tells that somebody signed out there (Back-Channel Logout 1.0)."""
    try:
        said = tokens.validate_logout_token(request.POST.get("logout_token", ""))
        end_provider_sessions(claims=said)
    except InvalidTokenError as error:
        record_refusal(by=None, target="back-channel logout", reason=str(error)[:200])
        return JsonResponse(
            {"error": "invalid_request", "error_description": str(error)}, status=400
        )
    except ProviderUnavailableError as error:
        return JsonResponse({"error": "temporarily_unavailable", "detail": str(error)}, status=503)
    response = HttpResponse()
    response["Cache-Control"] = "no-store"
    return response


@require_GET
def admin_login(request: HttpRequest) -> HttpResponse:
    """The admin's door: to the provider, or a page for those who are known but not staff."""
    following = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(following, {request.get_host()}):
        following = reverse("admin:index")
    if request.user.is_authenticated:
        if request.user.is_active and request.user.is_staff:
            return HttpResponseRedirect(following)
        # Sent to sign in once more, they would come back here for ever.
        return render(request, "pages/not_staff.html", status=403)
    start = reverse("oidc_authentication_init")
    return HttpResponseRedirect(f"{start}?{urlencode({'next': following})}")


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session here and, with an outside provider, lead to its end there."""
    address = end_session_url(request)
    auth.logout(request)
    messages.success(request, "You are signed out.")
    return HttpResponseRedirect(address)
