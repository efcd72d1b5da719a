"""Addresses of the datasets in the API."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from .accounting_api import DatasetAccounting
from .api import DatasetViewSet
from .mapping_api import MappingViewSet
from .upload_api import UploadViewSet

router = SimpleRouter(use_regex_path=False)
router.register("datasets", DatasetViewSet, basename="datasets")
router.register("mappings", MappingViewSet, basename="mappings")
router.register("uploads", UploadViewSet, basename="uploads")
accounting = path("datasets/<int:pk>/accounting/", DatasetAccounting.as_view(), name="datasets-accounting")
urlpatterns = [*router.urls, accounting]
