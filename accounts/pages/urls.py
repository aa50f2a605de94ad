"""Addresses of pages."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path
from django.views.defaults import page_not_found

from . import account, invitations, provider, sign_in

urlpatterns: list[URLPattern | URLResolver] = [
    path("", account.home, name="home"),
    path("favicon.ico", account.favicon),
    path("account/", account.account, name="account"),
    path("account/data/", account.download, name="account_data"),
    path("account/delete/", account.delete, name="account_delete"),
    path("invitations/<str:token>/", invitations.invitation, name="invitation"),
    path("admin/login/", sign_in.admin_login),
    path("admin/logout/", sign_in.sign_out),
    # Django's own page has no limit of tries and leaves tokens as they are.
    path("admin/password_change/", account.change_password),
    path("admin/password_change/done/", account.change_password),
    path("oidc/logout/", sign_in.sign_out, name="sign_out"),
    path("oidc/backchannel-logout/", sign_in.back_channel_logout, name="back_channel_logout"),
    path("oidc/", include("mozilla_django_oidc.urls")),
]

if settings.OIDC_EMBEDDED:
    _not_served = {"exception": Exception("Not served here.")}
    urlpatterns += [
        path("identity/o/api/token", provider.token),
        # Devices without a keyboard: nothing here is for them.
        path("identity/o/device", page_not_found, _not_served),
        path("identity/o/api/device/code", page_not_found, _not_served),
        path("", include("allauth.idp.urls")),
        path("accounts/", include("allauth.account.urls")),
        path("accounts/2fa/", include("allauth.mfa.urls")),
    ]
