"""All addresses. Each app's REST is added to `/api/v1/` by its own `api/urls.py`."""

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.static import serve
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from core.graphql.view import GraphQLView
from core.health import healthz, readyz
from core.metrics import metrics
from orders.api.carts import key_owner

# OPTIONS would make the page describe itself, which it cannot.
_READ = ["get", "head"]
# What strangers may be answered from a cache: the same for all of them.
PUBLIC_FIELDS = frozenset({"shop", "products", "product", "categories", "category"})
handler500 = "core.api.problems.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path(
        "api/v1/",
        include(
            [
                path("", include(f"{app}.api.urls"))
                for app in settings.DUKA_APPS
                if (settings.BASE_DIR / app / "api" / "urls.py").exists()
            ]
        ),
    ),
    path("", include("conversations.api.extended_urls")),
    path("", include("accounts.pages.urls")),
    path("", include("customers.pages.urls")),
    path("", include("notifications.pages.urls")),
    path("", include("shipping.pages.urls")),
    path("admin/", admin.site.urls),
    path(
        "graphql/",
        GraphQLView.as_view(public=PUBLIC_FIELDS, key_owner=staticmethod(key_owner)),
        name="graphql",
    ),
    path("api/schema/", SpectacularAPIView.as_view(http_method_names=_READ), name="schema"),
    path(
        "api/docs/",
        SpectacularSwaggerView.as_view(
            url_name="schema", http_method_names=_READ, template_name="core/swagger.html"
        ),
        name="docs",
    ),
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
]

if settings.SERVE_MEDIA:
    # On one machine without nginx in front; in production the proxy serves uploads.
    urlpatterns.append(
        re_path(r"^media/(?P<path>.*)$", serve, {"document_root": settings.MEDIA_ROOT})
    )
