"""docs/accuracy.md names findings that exist."""

from __future__ import annotations

import re
from pathlib import Path

from jobs.rulebook import RULES

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`([a-z]+)\.([a-z][a-z-]+)`")


def test_every_finding_that_the_document_names_can_be_made() -> None:
    named = NAMED.findall((ROOT / "docs" / "accuracy.md").read_text())
    subjects = {code.partition(".")[0] for code in RULES}
    of_rules = {f"{subject}.{name}" for subject, name in named if subject in subjects}
    of_trainer = {name for subject, name in named if subject == "trainer"}
    assert len(of_rules) > 60
    assert of_rules <= RULES.keys()
    written = "".join(file.read_text() for file in (ROOT / "jobs" / "trainer").glob("*.py"))
    assert {name for name in of_trainer if f'"{name}"' not in written and f'trainer.{name}"' not in written} == set()
