"""The specification itself can be read: known keys, readable values."""

from __future__ import annotations

from collections.abc import Iterator

from ..engine import Broken, broken, rule
from ..findings import Fix, Severity
from ..settings_table import SETTINGS


@rule(
    code="specification.unknown-key",
    severity=Severity.ERROR,
    message="{key} is not a setting of a job.{hint}",
    breaks={"unknown_keys": (("training.epochs", "training.num_epochs"),)},
)
def unknown_key(unknown_keys: tuple[tuple[str, str | None], ...]) -> Iterator[Broken]:
    """A misspelt setting that is ignored trains with the default while the author believes otherwise."""
    for key, near in unknown_keys:
        yield broken(field=key, key=key, hint=f" Did you mean {near}?" if near else "")


@rule(
    code="specification.unreadable",
    severity=Severity.ERROR,
    message="{field} must be {expected}; {value} was given.{advice}",
    breaks={"unreadable": (("training.num_epochs", "three", "a number"),)},
)
def unreadable(unreadable: tuple[tuple[str, str, str], ...], method: str | None = None) -> Iterator[Broken]:
    """Training libraries discover a value of the wrong type only after loading and tokenising everything."""
    for path, value, expected in unreadable:
        default = SETTINGS[path].default_for(method)
        fix = None if default is None else Fix(f"Use {default}", {path: default})
        yield broken(
            fix=fix,
            field=path,
            expected=expected,
            value=f"“{value}”",
            advice=f" Use {default}." if fix else "",
        )
