"""Each tiny model is made once for all rehearsals of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.rehearsal.document import Document
from tests.rehearsal.holding import hold
from tests.tiny_models import make_tiny_model


@pytest.fixture(scope="session")
def chat_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "chat-llama", "llama", chat=True)


@pytest.fixture(scope="session")
def plain_gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "plain-gpt2", "gpt2", pad_token=None)


@pytest.fixture(scope="session")
def held(chat_llama: Path) -> Document:
    """The document of a plain chat job, rehearsed once for all who look at it."""
    return hold(chat_llama)
