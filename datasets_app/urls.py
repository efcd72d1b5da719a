"""Pages of the datasets."""

from django.urls import path

from . import accounting_views, mapping_views, row_views, views

app_name = "datasets"
urlpatterns = [
    path("", views.dataset_list, name="list"),
    path("upload", views.upload, name="upload"),
    path("register", views.register, name="register"),
    path("<int:pk>/", views.detail, name="detail"),
    path("<int:pk>/rows/", row_views.rows, name="rows"),
    path("<int:pk>/download", row_views.download, name="download"),
    path("<int:pk>/report", row_views.report, name="report"),
    path("<int:pk>/correct", views.correct, name="correct"),
    path("<int:pk>/split", views.split, name="split"),
    path("<int:pk>/compare", row_views.compare, name="compare"),
    path("<int:pk>/map", mapping_views.map_columns, name="map"),
    path("<int:pk>/map/<int:mapping>/forget", mapping_views.forget_mapping, name="forget_mapping"),
    path("<int:pk>/convert", views.convert, name="convert"),
    path("<int:pk>/accounting/", accounting_views.accounting, name="accounting"),
    path("<int:pk>/accounting/begin", accounting_views.begin, name="account"),
    path("<int:pk>/tokens/", accounting_views.tokens, name="tokens"),
    path("<int:pk>/delete", views.delete, name="delete"),
]
