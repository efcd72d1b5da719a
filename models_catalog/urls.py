"""Addresses of the models pages."""

from django.urls import path

from . import download_views, views

app_name = "models"
urlpatterns = [
    path("", views.model_list, name="list"),
    path("register", views.register_folder, name="register"),
    path("<int:pk>/", views.detail, name="detail"),
    path("<int:pk>/look", views.look, name="look"),
    path("<int:pk>/playground", views.playground, name="playground"),
    path("<int:pk>/download", download_views.download, name="download"),
    path("downloads/", download_views.downloads, name="downloads"),
    path("downloads/<int:pk>/cancel", download_views.cancel, name="cancel-download"),
]
