"""Addresses of the machines that train."""

from django.urls import path

from . import machine_views

app_name = "machines"
urlpatterns = [
    path("", machine_views.machine_list, name="list"),
    path("<int:pk>/close", machine_views.close, name="close"),
    path("<int:pk>/open", machine_views.open_, name="open"),
]
