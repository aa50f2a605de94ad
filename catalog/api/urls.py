"""Addresses of the catalogue."""

from rest_framework.routers import SimpleRouter

from .views import CategoryViewSet, ProductViewSet, VariantViewSet

router = SimpleRouter()
router.register("categories", CategoryViewSet, basename="category")
router.register("products", ProductViewSet, basename="product")
router.register("variants", VariantViewSet, basename="variant")
urlpatterns = router.urls
