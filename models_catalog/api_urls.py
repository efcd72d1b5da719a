"""Calls of the API about models."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
