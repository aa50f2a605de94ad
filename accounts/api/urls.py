"""Addresses of accounts."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from .views import (
    AuditViewSet,
    EmployeeViewSet,
    InvitationViewSet,
    MachineViewSet,
    MeView,
    MyDataView,
    RightsView,
)

router = SimpleRouter()
router.register("employees", EmployeeViewSet, basename="employee")
router.register("invitations", InvitationViewSet, basename="invitation")
router.register("machines", MachineViewSet, basename="machine")
router.register("audit", AuditViewSet, basename="audit")
urlpatterns = [
    path("me/", MeView.as_view(), name="me"),
    path("me/data/", MyDataView.as_view(), name="me-data"),
    path("rights/", RightsView.as_view(), name="rights"),
    *router.urls,
]
