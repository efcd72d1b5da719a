"""Calls of the API about models and their downloads."""

from rest_framework.routers import SimpleRouter

from .api import DownloadViewSet, ModelViewSet

router = SimpleRouter(use_regex_path=False)
router.register("models", ModelViewSet, basename="models")
router.register("downloads", DownloadViewSet, basename="downloads")
urlpatterns = router.urls
