"""Addresses of customers' pages."""

from django.urls import path

from .phone import phone

urlpatterns = [path("account/phone/", phone, name="account_phone")]
