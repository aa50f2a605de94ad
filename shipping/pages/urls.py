"""Addresses that carriers and customers come to."""

from django.urls import path

from .skip import skip
from .webhooks import webhook

urlpatterns = [
    path("skip/<str:token>", skip, name="skip-date"),
    path("webhooks/shipping/<str:name>/", webhook, name="shipping-webhook"),
    # For carriers that sign nothing: the end of it is what they prove themselves by. It is called
    # a token, as those are not written down: nor where it lacks its slash, which is no reason for
    # a redirect.
    path("webhooks/shipping/<str:name>/<str:token>/", webhook),
    path("webhooks/shipping/<str:name>/<str:token>", webhook),
]
