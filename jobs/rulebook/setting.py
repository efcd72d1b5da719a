"""What one row of the settings table holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a value is read as."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    NAMES = "names"


@dataclass(frozen=True)
class Setting:
    """One row. `above` and `below` are exclusive limits, `minimum` and `maximum` inclusive ones.

    `recommended` is the range (both ends included) outside which a value is only warned about, `per_method`
    replaces `default` and `recommended` for a training method, `applies` names a fact and the value it must
    have for this setting to matter, `overruled_by` a fact that makes it matter no more when it is known, `why`
    is the reason for the limits, `unusual` says what happens below and above the recommended range.
    """

    path: str
    fact: str
    kind: Kind
    label: str
    help: str
    default: Any = None
    required: bool = False
    nullable: bool = False
    above: float | None = None
    below: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    recommended: tuple[float, float] | None = None
    per_method: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)
    applies: tuple[str, Any] | None = None
    overruled_by: str = ""
    advanced: bool = False
    slider: bool = False
    step: float | None = None
    why: str = ""
    unusual: tuple[str, str] = ("", "")

    @property
    def group(self) -> str:
        """The part of the specification it lies in: `model`, `data`, `training`, `lora`, or "" at the top."""
        return self.path.rpartition(".")[0]

    @property
    def has_limits(self) -> bool:
        return any(limit is not None for limit in (self.above, self.below, self.minimum, self.maximum))

    def admits(self, value: Any) -> bool:
        """The value lies within the limits; a text is measured by its length."""
        size = len(value) if isinstance(value, str | tuple) else value
        return (
            (self.above is None or size > self.above)
            and (self.below is None or size < self.below)
            and (self.minimum is None or size >= self.minimum)
            and (self.maximum is None or size <= self.maximum)
        )

    def default_for(self, method: str | None) -> Any:
        return self.per_method.get(method or "", {}).get("default", self.default)

    def recommended_for(self, method: str | None) -> tuple[float, float] | None:
        value: tuple[float, float] | None = self.per_method.get(method or "", {}).get("recommended", self.recommended)
        return value
