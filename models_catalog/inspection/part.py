"""What one look into a model brings back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Part:
    """`facts` go to the rules by the names of the rulebook's vocabulary, `shown` to the model's page.

    `problems` say what could not be looked at: `{"code": "tree-code", "message": "A sentence."}`. Plain JSON values.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    shown: dict[str, Any] = field(default_factory=dict)
    problems: list[dict[str, str]] = field(default_factory=list)
