"""What stands in the texts of a dataset."""

from __future__ import annotations

from collections.abc import Sequence

from ..engine import Broken, broken, rule
from ..findings import Severity
from ..words import names


@rule(
    code="contents.worth-a-look",
    severity=Severity.ADVICE,
    field="data.dataset",
    message="Some rows may teach what you do not want: {what}. The page of the dataset shows examples.",
    breaks={"content_advice": ("placeholders that nobody filled in (12)", "answers that refuse (3)")},
)
def worth_a_look(content_advice: Sequence[str]) -> Broken | None:
    """The model learns whatever stands in the rows, and nobody reads thousands of them."""
    return broken(what=names(list(content_advice), limit=len(content_advice))) if content_advice else None
