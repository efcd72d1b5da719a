"""A token for a user name and password."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from ..problems import problem
from .tokens import create_token


class CredentialsSerializer(serializers.Serializer[User]):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=4096, trim_whitespace=False, style={"input_type": "password"})


class NewTokenSerializer(serializers.Serializer[dict[str, Any]]):
    token = serializers.CharField(help_text="Send it as `Authorization: Token …`. It cannot be shown again.")
    expiry = serializers.DateTimeField()


class TokenView(APIView):
    """`POST` a user name and password, get a token. Wrong passwords count towards the lock of the account."""

    authentication_classes = ()  # an old token in the header must not keep somebody from getting a new one
    permission_classes = (AllowAny,)
    throttle_classes = (ScopedRateThrottle,)
    throttle_scope = "login"

    @extend_schema(operation_id="auth_token", request=CredentialsSerializer, responses=NewTokenSerializer)
    def post(self, request: Request) -> Response:
        credentials = CredentialsSerializer(data=request.data)
        credentials.is_valid(raise_exception=True)
        user = authenticate(request._request, **credentials.validated_data)
        if not isinstance(user, User):
            message = "User name and password do not match. Check both; case counts."
            raise problem("password", "login.wrong", message, 401)
        token, text = create_token(user=user, name="from the API", days=settings.ENVIRONMENT.token_days)
        return Response(NewTokenSerializer({"token": text, "expiry": token.expiry}).data)
