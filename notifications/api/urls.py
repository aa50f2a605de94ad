"""Addresses of messages, consents and templates."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from .views import ConsentViewSet, MessageViewSet, MyMessagesView, TemplateViewSet

router = SimpleRouter()
router.register("messages", MessageViewSet, basename="message")
router.register("consents", ConsentViewSet, basename="consent")
router.register("message-templates", TemplateViewSet, basename="message-template")
urlpatterns = [path("me/messages/", MyMessagesView.as_view(), name="my-messages"), *router.urls]
