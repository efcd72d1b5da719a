"""Packing: several short rows in one sequence."""

from __future__ import annotations

from collections.abc import Collection

from ..engine import Broken, broken, rule
from ..findings import Severity
from ..fixes import use
from ..words import number, size


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


LARGEST = 2**26
"""Twice as many entries make a gigabyte."""
ENTRY_BYTES = 8
USUAL = 1024


@rule(
    code="packing.too-long",
    severity=Severity.ERROR,
    field="data.max_length",
    message="To pack rows into {max_length} tokens TRL first lays out a table of twice that size, which takes {memory} "
    "of memory before any row is packed. Use {length}.",
    breaks={"packing": True, "max_length": 1_000_000_000},
)
def too_long(packing: bool, max_length: int, context_length: int | None = None) -> Broken | None:
    """A length that only means “all of it” does no harm to single rows; to packing it is the size of a table."""
    if not packing or max_length <= LARGEST:
        return None
    length = context_length or USUAL
    memory = size(2 ** (max_length - 1).bit_length() * 2 * ENTRY_BYTES)
    fix = use("data.max_length", length, f"Use {length} tokens")
    return broken(fix=fix, max_length=number(max_length), memory=memory, length=length)
