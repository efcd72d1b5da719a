"""Calls of the API about datasets."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
