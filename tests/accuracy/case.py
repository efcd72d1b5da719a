"""One case: a model, the file of a dataset, and what is asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """`spec` holds dotted names, without model and dataset. `config` are changes to the model's config.json.

    `truth` is what is known to have happened elsewhere, for the record only: every case is trained here.
    """

    name: str
    kind: str
    tokenizer: str
    file: bytes
    spec: Mapping[str, Any]
    config: Mapping[str, Any] = field(default_factory=dict)
    source: str = "own"
    truth: str = ""

    @property
    def key(self) -> str:
        """The same for the same case, whatever it is called."""
        told = json.dumps([self.kind, self.tokenizer, self.spec, self.config, self.source], sort_keys=True)
        return hashlib.sha256(told.encode() + self.file).hexdigest()[:16]

    @property
    def model_key(self) -> str:
        changed = hashlib.sha256(json.dumps(self.config, sort_keys=True).encode()).hexdigest()[:8]
        return f"{self.source}-{self.kind}-{self.tokenizer}" + (f"-{changed}" if self.config else "")


def json_lines(rows: Sequence[Row | str]) -> bytes:
    """Rows as a file of JSON lines; one that is text stands in it as it is."""
    lines = (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")
