"""Addresses of the datasets in the API."""

from rest_framework.routers import SimpleRouter

from .api import DatasetViewSet

router = SimpleRouter(use_regex_path=False)
router.register("datasets", DatasetViewSet, basename="datasets")
urlpatterns = router.urls
