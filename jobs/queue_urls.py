"""Addresses of the queue."""

from django.urls import path

from . import queue_views

app_name = "queue"
urlpatterns = [
    path("", queue_views.queue, name="page"),
    path("cancel", queue_views.cancel, name="cancel"),
]
