"""Addresses of service orders, services and free times."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from .views import AvailabilityView, ServiceOrderViewSet, ServiceViewSet

router = SimpleRouter()
router.register("service-orders", ServiceOrderViewSet, basename="service-order")
router.register("services", ServiceViewSet, basename="service")
urlpatterns = [
    *router.urls,
    path("availability/", AvailabilityView.as_view(), name="availability"),
]
