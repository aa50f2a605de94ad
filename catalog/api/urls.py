"""Addresses of the catalogue."""

from rest_framework.routers import SimpleRouter

from .images import ProductImageViewSet
from .stock import StockMovementViewSet
from .views import CategoryViewSet, ProductViewSet, VariantViewSet

router = SimpleRouter()
router.register("categories", CategoryViewSet, basename="category")
router.register("products", ProductViewSet, basename="product")
router.register("variants", VariantViewSet, basename="variant")
router.register("stock-movements", StockMovementViewSet, basename="stock-movement")
router.register(
    r"products/(?P<product_id>[0-9]{1,18})/images", ProductImageViewSet, basename="product-image"
)
urlpatterns = router.urls
