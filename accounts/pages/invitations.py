"""The page that an invitation's link opens."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.exceptions import NotInvited
from accounts.permissions import labels_of
from accounts.services import invitations
from core.errors import DomainError


@never_cache
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Show what is offered; accepting takes somebody who is signed in."""
    try:
        found = invitations.find(token=token)
        if request.method == "POST":
            if not request.user.is_authenticated:
                start = reverse("oidc_authentication_init")
                return redirect(f"{start}?{urlencode({'next': request.path})}")
            invitations.accept(token=token, user=request.user)
            messages.success(request, f"Welcome. You now work with {settings.SHOP_NAME}.")
            return redirect("account")
    except NotInvited as error:
        refused = {"title": "This invitation is not valid", "text": error.detail}
        return render(request, "pages/message.html", refused, status=404)
    except DomainError as error:
        messages.error(request, error.detail)
        return redirect("account")
    context = {
        "invitation": found,
        "rights": labels_of(found.rights),
        "signed_in": request.user.is_authenticated,
    }
    return render(request, "pages/invitation.html", context)
