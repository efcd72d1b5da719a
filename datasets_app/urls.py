"""Pages of the datasets."""

from django.urls import path

from . import views

app_name = "datasets"
urlpatterns = [
    path("", views.dataset_list, name="list"),
    path("upload", views.upload, name="upload"),
    path("<int:pk>/", views.detail, name="detail"),
    path("<int:pk>/convert", views.convert, name="convert"),
    path("<int:pk>/delete", views.delete, name="delete"),
]
