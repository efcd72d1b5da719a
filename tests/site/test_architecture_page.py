"""docs/architecture.md names modules that are there."""

from __future__ import annotations

import re

from finetune_site.environment import ROOT

APPS = ("finetune_site", "models_catalog", "datasets_app", "jobs")
NAMES = re.compile(r"[a-z_]+(, [a-z_]+)*")


def named_modules() -> list[str]:
    """The lists of names in the tree; columns are set apart by three blanks or more."""
    tree = (ROOT / "docs" / "architecture.md").read_text().split("```")[1]
    cells = [cell for line in tree.splitlines() for cell in re.split(" {3,}", line.strip())]
    return [name for cell in cells if NAMES.fullmatch(cell) for name in cell.split(", ")]


def test_every_module_in_the_tree_is_there() -> None:
    there = {path.stem for app in APPS for path in (ROOT / app).rglob("*.py")}
    assert [name for name in named_modules() if name not in there] == []
    assert len(named_modules()) > 60
