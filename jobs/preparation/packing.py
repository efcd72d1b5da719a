"""How tightly rows would be packed, by TRL's own packing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from trl.data_utils import _pack_bfd

BATCH = 1000
"""Rows that TRL packs at a time: the batch of `Dataset.map`."""


def packed(lengths: Any, max_length: int) -> int:
    """How many sequences rows of such lengths (an array) come to, packed in their order."""
    batches = (lengths[at : at + BATCH] for at in range(0, len(lengths), BATCH))
    return sum(_sequences(batch, max_length) for batch in batches)


def _sequences(lengths: Any, max_length: int) -> int:
    """TRL looks at the lengths alone; the values are only moved about, so one byte each will do."""
    offsets = np.concatenate(([0], np.cumsum(np.minimum(lengths, max_length)))).astype(np.int32)
    values = pa.array(np.zeros(offsets[-1], dtype=np.int8))
    rows = pa.Table.from_arrays([pa.ListArray.from_arrays(offsets, values)], names=["input_ids"])
    return int(_pack_bfd(rows, max_length).num_rows) if offsets[-1] else 0
