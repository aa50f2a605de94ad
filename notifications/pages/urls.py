"""Addresses that customers and gateways come to."""

from django.urls import path

from . import views

urlpatterns = [
    path("t/<str:token>", views.status, name="status-link"),
    path(
        "webhooks/sms/<slug:name>/<slug:kind>/",
        views.callback,
        name="sms-callback",
    ),
    # Of gateways that sign nothing: the end of the address is what they prove themselves by.
    path(
        "webhooks/sms/<slug:name>/<slug:kind>/<str:key>/", views.callback, name="sms-callback-key"
    ),
]
