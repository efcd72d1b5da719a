"""Packing: several short rows in one sequence."""

from __future__ import annotations

from collections.abc import Collection

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


@rule(
    code="packing.needs-package",
    severity=Severity.ERROR,
    field="data.packing",
    message="{model} can keep packed rows apart only with the package {package}, which is not installed on this "
    "machine; without it the first step fails. Turn packing off, or ask staff to install it.",
    breaks={"packing": True, "packing_needs": "causal_conv1d", "packages": (), "model": "LiquidAI/LFM2-350M"},
)
def needs_package(
    packing: bool, packing_needs: str, packages: Collection[str], model: str = "this architecture"
) -> Broken | None:
    """Convolutions run over the borders of packed rows; only their own kernels know where a row begins."""
    if not packing or not packing_needs or packing_needs in packages:
        return None
    return broken(fix=use("data.packing", False, "Turn packing off"), model=model, package=packing_needs)
