"""`Authorization: Token …`"""

from __future__ import annotations

from typing import Any

import knox.auth
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.exceptions import AuthenticationFailed


class TokenAuthentication(knox.auth.TokenAuthentication):  # type: ignore[misc]  # the library is untyped
    def authenticate_credentials(self, token: bytes) -> Any:
        """Knox fails with a server error on bytes that are no text, and PostgreSQL on a zero byte."""
        if not token.isalnum():
            raise AuthenticationFailed("Invalid token.")
        return super().authenticate_credentials(token)


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # the library is untyped
    """How the schema describes it."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Token ` and a token from your account page or from `/api/v1/auth/token/`.",
        }
