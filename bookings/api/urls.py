"""Addresses of service orders, services, what is booked and when, and free times."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from .resources import ClosedDayViewSet, ResourcesViewSet
from .views import AvailabilityView, ServiceOrderViewSet, ServiceViewSet

router = SimpleRouter()
router.register("service-orders", ServiceOrderViewSet, basename="service-order")
router.register("services", ServiceViewSet, basename="service")
router.register("resources", ResourcesViewSet, basename="resource")
router.register("closed-days", ClosedDayViewSet, basename="closed-day")
urlpatterns = [
    *router.urls,
    path("availability/", AvailabilityView.as_view(), name="availability"),
]
