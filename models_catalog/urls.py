"""Addresses of the models pages."""

from django.urls import URLPattern

app_name = "models"
urlpatterns: list[URLPattern] = []
