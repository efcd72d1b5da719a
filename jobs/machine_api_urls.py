"""The addresses of machines under /api/v1/."""

from django.urls import path

from .machine_api import MachinesView, MachineView

urlpatterns = [
    path("machines/", MachinesView.as_view(), name="machines"),
    path("machines/<int:pk>/close/", MachineView.as_view(), {"wish": "close"}, name="machines-close"),
    path("machines/<int:pk>/open/", MachineView.as_view(), {"wish": "open"}, name="machines-open"),
]
