"""Packing: several short rows in one sequence."""

from __future__ import annotations

from ..engine import Broken, broken, rule
from ..findings import Severity
from ..fixes import use


@rule(
    code="packing.leaks",
    severity=Severity.WARNING,
    field="data.packing",
    message="In {model} a packed row sees the rows packed before it, and learns from text that is not its own. Turn "
    "packing off.",
    breaks={"packing": True, "packing_leaks": True, "model": "facebook/opt-125m"},
)
def leaks(packing: bool, packing_leaks: bool, model: str = "this architecture") -> Broken | None:
    """Not every architecture can tell packed rows apart, and nothing warns about it during the run."""
    if not packing or not packing_leaks:
        return None
    return broken(fix=use("data.packing", False, "Turn packing off"), model=model)
