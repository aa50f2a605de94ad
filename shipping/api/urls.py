"""Addresses of shipments, carriers, what carriers told, and standing orders."""

from rest_framework.routers import SimpleRouter

from .standing import StandingOrderViewSet
from .views import CarrierViewSet, NewsViewSet, ShipmentViewSet

router = SimpleRouter()
router.register("shipments", ShipmentViewSet, basename="shipment")
router.register("carriers", CarrierViewSet, basename="carrier")
router.register("carrier-news", NewsViewSet, basename="carrier-news")
router.register("standing-orders", StandingOrderViewSet, basename="standing-order")
urlpatterns = router.urls
