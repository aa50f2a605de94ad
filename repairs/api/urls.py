"""Addresses of repair jobs, of the databases they come from, and of rows set aside."""

from rest_framework.routers import SimpleRouter

from .sources import RepairSourceViewSet, RowAsideViewSet
from .views import RepairViewSet

router = SimpleRouter()
router.register("repairs", RepairViewSet, basename="repair")
router.register("repair-sources", RepairSourceViewSet, basename="repair-source")
router.register("repair-rows-aside", RowAsideViewSet, basename="repair-row-aside")
urlpatterns = router.urls
