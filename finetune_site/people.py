"""Who asks."""

from django.contrib.auth.models import User
from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class PersonRequest(HttpRequest):
    """A request that came past the login: its user is a person with an account."""

    user: User
    htmx: HtmxDetails
