"""Tokenizers are made once for all tests here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.inspection.small_tokenizers import CHATML

from . import small


@pytest.fixture(scope="session")
def chatml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder whose template has no tags, and for which TRL has none either."""
    return small.make_merging_tokenizer(tmp_path_factory.mktemp("chatml"), CHATML)
