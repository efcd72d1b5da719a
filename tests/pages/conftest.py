"""Somebody logged in, and what a new job's form sends."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.make import make_dataset, make_model, make_user


@pytest.fixture
def owner(db: None) -> User:
    return make_user("owner")


@pytest.fixture
def person(owner: User) -> Client:
    """The owner's browser."""
    return browse(owner)


@pytest.fixture
def good(owner: User) -> dict[str, str]:
    """A form that passes without a warning."""
    make_model()
    return {
        "model.name": "house/tiny-chat",
        "data.dataset": str(make_dataset(owner).pk),
        "data.strategy": "chat",
        "training.method": "sft",
    }


def browse(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
