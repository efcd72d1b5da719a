"""Who asks."""

from django.contrib.auth.models import User
from django.http import HttpRequest


class PersonRequest(HttpRequest):
    """A request that came past the login: its user is a person with an account."""

    user: User
