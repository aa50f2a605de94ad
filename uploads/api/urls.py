"""Addresses of uploads and exports."""

from django.urls import path, re_path
from rest_framework.routers import SimpleRouter

from .views import ExportView, TemplateView, UploadRowViewSet, UploadViewSet

router = SimpleRouter()
router.register("uploads", UploadViewSet, basename="upload")
urlpatterns = [
    path(
        "uploads/templates/<slug:kind>.<slug:format>",
        TemplateView.as_view(),
        name="upload-template",
    ),
    path("exports/<slug:kind>.<slug:format>", ExportView.as_view(), name="export"),
    re_path(
        r"^uploads/(?P<upload_id>[0-9]{1,18})/rows/$",
        UploadRowViewSet.as_view({"get": "list"}, basename="upload-row", detail=False),
        name="upload-row-list",
    ),
    *router.urls,
]
