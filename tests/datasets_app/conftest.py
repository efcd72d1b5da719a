"""What the tests of datasets share: reading bytes as if they were a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from datasets_app.reading import Reading, good_rows, read_file

Read = Callable[[bytes], Reading]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads bytes and makes sure that the good rows are exactly those that were counted."""

    def read_bytes(content: bytes) -> Reading:
        path = tmp_path / "rows"
        path.write_bytes(content)
        reading = read_file(path)
        good = list(good_rows(path, reading.shape.format, reading.shape.conversational, reading.shape.layout))
        assert len(good) == reading.rows - reading.bad_rows
        return reading

    return read_bytes
