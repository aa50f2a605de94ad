"""Addresses of messages, consents, templates and status links."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from .views import (
    ConsentViewSet,
    MessageViewSet,
    MyMessagesView,
    StatusLinkViewSet,
    TemplateViewSet,
)

router = SimpleRouter()
router.register("messages", MessageViewSet, basename="message")
router.register("consents", ConsentViewSet, basename="consent")
router.register("message-templates", TemplateViewSet, basename="message-template")
router.register("status-links", StatusLinkViewSet, basename="status-link")
urlpatterns = [path("me/messages/", MyMessagesView.as_view(), name="my-messages"), *router.urls]
