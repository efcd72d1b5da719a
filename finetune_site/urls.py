"""Every address of the portal."""

from django.contrib import admin
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from . import error_pages, views
from .accounts import urls as account_urls
from .health import healthz
from .monitoring.metrics import metrics
from .monitoring.parts import readyz

api_v1 = [
    path("", include("jobs.api_urls")),
    path("", include("jobs.machine_api_urls")),
    path("", include("datasets_app.api_urls")),
    path("", include("models_catalog.api_urls")),
    path("auth/", include("finetune_site.accounts.api_urls")),
]
urlpatterns = [
    path("", views.home, name="home"),
    path("", include(account_urls)),
    path("jobs/", include("jobs.urls")),
    path("queue/", include("jobs.queue_urls")),
    path("machines/", include("jobs.machine_urls")),
    path("datasets/", include("datasets_app.urls")),
    path("models/", include("models_catalog.urls")),
    path("api/v1/", include((api_v1, "api"))),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api-docs"),
    re_path("^api/", error_pages.unknown_address),
    path("admin/", admin.site.urls),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
]

handler400 = error_pages.bad_request
handler403 = error_pages.forbidden
handler404 = error_pages.not_found
handler500 = error_pages.server_error
