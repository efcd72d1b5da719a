"""The addresses of jobs under /api/v1/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from .api import ArtifactView, JobViewSet
from .queue_api import CancelWaitingView, QueueView

router = SimpleRouter(use_regex_path=False)
router.register("jobs", JobViewSet, basename="jobs")

urlpatterns = [
    *router.urls,
    path("queue/", QueueView.as_view(), name="queue"),
    path("queue/cancel/", CancelWaitingView.as_view(), name="queue-cancel"),
    path("jobs/<int:pk>/artifacts/<path:name>", ArtifactView.as_view(), name="jobs-artifact"),
]
