"""The addresses of jobs under /api/v1/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from .api import ArtifactView, JobViewSet

router = SimpleRouter(use_regex_path=False)
router.register("jobs", JobViewSet, basename="jobs")

urlpatterns = [
    *router.urls,
    path("jobs/<int:pk>/artifacts/<path:name>", ArtifactView.as_view(), name="jobs-artifact"),
]
