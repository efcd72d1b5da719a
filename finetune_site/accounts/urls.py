"""Addresses of login and account pages."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from . import views

urlpatterns = [
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("account/", views.account, name="account"),
    path("account/tokens/", views.create, name="token-create"),
    path("account/tokens/<uuid:public_id>/revoke/", views.revoke, name="token-revoke"),
    path("account/password/", views.ChangePassword.as_view(), name="password"),
]
