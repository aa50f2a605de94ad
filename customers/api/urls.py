"""Addresses of customers."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from .views import CustomerViewSet, MyCustomerView, MyPhoneConfirmView, MyPhoneView

router = SimpleRouter()
router.register("customers", CustomerViewSet, basename="customer")
urlpatterns = [
    path("me/customer/", MyCustomerView.as_view(), name="my-customer"),
    path("me/phone/", MyPhoneView.as_view(), name="my-phone"),
    path("me/phone/confirm/", MyPhoneConfirmView.as_view(), name="my-phone-confirm"),
    *router.urls,
]
