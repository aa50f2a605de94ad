"""Addresses that customers and gateways come to."""

from django.urls import path

from . import views

urlpatterns = [
    path("t/<str:token>", views.status, name="status-link"),
    path("webhooks/sms/<str:name>/<str:kind>/", views.callback, name="sms-callback"),
    # For gateways that sign nothing: the end of it is what they prove themselves by. It is called
    # a token, as those are not written down: nor where it lacks its slash, which is no reason for
    # a redirect.
    path("webhooks/sms/<str:name>/<str:kind>/<str:token>/", views.callback),
    path("webhooks/sms/<str:name>/<str:kind>/<str:token>", views.callback),
]
