"""Calls of the API about models."""

from rest_framework.routers import SimpleRouter

from .api import ModelViewSet

router = SimpleRouter(use_regex_path=False)
router.register("models", ModelViewSet, basename="models")
urlpatterns = router.urls
