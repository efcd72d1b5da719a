"""The secret key is made once, for its owner only, and the same for all who start together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_IMODE

import pytest

from finetune_site.environment import WrongEnvironment
from finetune_site.secret_key import secret_key


def test_it_is_kept_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    key = secret_key(tmp_path / "secret_key")
    assert len(key) >= 50
    assert secret_key(tmp_path / "secret_key") == key
    assert S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600


def test_twenty_starts_at_once_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(20) as starts:
        keys = set(starts.map(secret_key, [tmp_path / "secret_key"] * 20))
    assert len(keys) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["secret_key"]


@pytest.mark.parametrize("content", [b"", b"\n", b"short", b"\xff" * 60])
def test_a_damaged_key_is_never_used(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret_key").write_bytes(content)
    with pytest.raises(WrongEnvironment, match="does not hold a secret key"):
        secret_key(tmp_path / "secret_key")
