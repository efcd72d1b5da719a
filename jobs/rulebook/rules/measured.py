"""What the trainer finds once rows have been tokenised.

Where the portal has accounted for all rows before (`rows_accounted`), the warnings of prepared.py have said it already.
"""

from __future__ import annotations

from ..engine import Broken, broken, rule
from ..findings import Fix, Severity
from ..fixes import advice, use
from ..words import count
from .length import BYTES_A_TOKEN

PATH = "data.max_length"


def _keep_more(max_length: int, context_length: int | None) -> Fix | None:
    if not context_length or context_length <= max_length:
        return None
    return use(PATH, context_length, f"Keep {context_length} tokens")


@rule(
    code="measured.nothing-left",
    severity=Severity.ERROR,
    field=PATH,
    message="None of the {given} is left after cutting to {max_length} tokens: in each, the prompt alone fills them "
    "and nothing of the answer remains to learn. {advice}",
    breaks={"rows_prepared": 0, "rows_given": 812, "max_length": 64, "context_length": 2048},
)
def nothing_left(
    rows_prepared: int, rows_given: int, max_length: int, context_length: int | None = None
) -> Broken | None:
    """Training would fail with an error about the number of samples that never mentions the data."""
    if rows_prepared or not rows_given:
        return None
    fix = _keep_more(max_length, context_length)
    todo = advice([fix], "Shorten the prompts.")
    return broken(fix=fix, given=count(rows_given, "row"), max_length=max_length, advice=todo)


@rule(
    code="measured.rows-lost",
    severity=Severity.WARNING,
    field=PATH,
    message="{lost} of {given} left out: cut to {max_length} tokens, nothing of the answer remains in them. Keep more "
    "tokens, or shorten the prompts.",
    breaks={"rows_prepared": 800, "rows_given": 812, "max_length": 64},
)
def rows_lost(
    rows_prepared: int, rows_given: int, max_length: int, packing: bool = False, rows_accounted: int | None = None
) -> Broken | None:
    """Such rows disappear while rows are prepared, without a word from the trainer."""
    if packing or rows_accounted or not 0 < rows_prepared < rows_given:
        return None
    return broken(lost=rows_given - rows_prepared, given=count(rows_given, "row"), max_length=max_length)


@rule(
    code="measured.rows-cut",
    severity=Severity.WARNING,
    field=PATH,
    message="{full} of {prepared} fill all {max_length} tokens that are kept, so they were cut, and the model learns "
    "no end of them. {advice}",
    breaks={"rows_full": 40, "rows_prepared": 812, "max_length": 64, "context_length": 2048, "token_ceiling": 90},
)
def rows_cut(
    rows_full: int,
    rows_prepared: int,
    max_length: int,
    packing: bool = False,
    context_length: int | None = None,
    token_ceiling: int | None = None,
    rows_accounted: int | None = None,
) -> Broken | None:
    """What a template writes around the turns counts too, which nobody can see in the rows."""
    told_before = token_ceiling is not None and token_ceiling // BYTES_A_TOKEN > max_length
    if packing or rows_accounted or not rows_full or told_before:
        return None
    fix = _keep_more(max_length, context_length)
    prepared = count(rows_prepared, "row")
    todo = advice([fix], "Shorten the rows.")
    return broken(fix=fix, full=rows_full, prepared=prepared, max_length=max_length, advice=todo)


@rule(
    code="measured.nothing-evaluated",
    severity=Severity.WARNING,
    field="data.eval_fraction",
    message="Nothing is evaluated: of the {held_out} held out none is left after cutting to {max_length} tokens, as "
    "nothing of an answer remains in them. Early stopping has nothing to go by. Keep more tokens.",
    breaks={"rows_held_out": 2, "rows_evaluated": 0, "max_length": 64},
)
def nothing_evaluated(rows_held_out: int, rows_evaluated: int, max_length: int) -> Broken | None:
    """Rows without an answer vanish while rows are prepared; the run would break at its first evaluation."""
    if rows_evaluated or not rows_held_out:
        return None
    return broken(held_out=count(rows_held_out, "row"), max_length=max_length)


_CUT_ALIKE = {"pairs_cut_alike": 3, "rows_prepared": 800, "max_length": 64, "context_length": 2048}


@rule(
    code="measured.all-pairs-cut-alike",
    severity=Severity.ERROR,
    field=PATH,
    message="Cut to {max_length} tokens, the chosen and the rejected answer are the same in every row, so there is "
    "nothing to prefer. {advice}",
    breaks={**_CUT_ALIKE, "pairs_cut_alike": 800},
)
def all_pairs_cut_alike(
    pairs_cut_alike: int, rows_prepared: int, max_length: int, context_length: int | None = None
) -> Broken | None:
    """Such a run ends as a success, with the model unchanged."""
    if not rows_prepared or pairs_cut_alike < rows_prepared:
        return None
    fix = _keep_more(max_length, context_length)
    return broken(fix=fix, max_length=max_length, advice=advice([fix], "Shorten the prompts and the answers."))


@rule(
    code="measured.pairs-cut-alike",
    severity=Severity.WARNING,
    field=PATH,
    message="Cut to {max_length} tokens, the chosen and the rejected answer are the same in {alike}; nothing is learnt "
    "from those. {advice}",
    breaks=_CUT_ALIKE,
)
def pairs_cut_alike(
    pairs_cut_alike: int,
    rows_prepared: int,
    max_length: int,
    context_length: int | None = None,
    rows_accounted: int | None = None,
) -> Broken | None:
    """The difference lies beyond what is kept, and the trainer says nothing."""
    if rows_accounted or not 0 < pairs_cut_alike < rows_prepared:
        return None
    fix = _keep_more(max_length, context_length)
    alike = count(pairs_cut_alike, "row")
    return broken(fix=fix, max_length=max_length, alike=alike, advice=advice([fix], "Shorten the rows."))


@rule(
    code="measured.start-doubled",
    severity=Severity.WARNING,
    field="data.dataset",
    message="{doubled} of {prepared} begin with the token that marks a beginning, which the tokenizer puts before "
    "every text by itself: they are trained with two of them, as the model never sees them later. Remove it from the "
    "rows.",
    breaks={"rows_start_doubled": 812, "rows_prepared": 812},
)
def start_doubled(rows_start_doubled: int, rows_prepared: int) -> Broken | None:
    """Texts that were rendered by a chat template before carry the token already, and nothing complains."""
    if not rows_start_doubled:
        return None
    return broken(doubled=rows_start_doubled, prepared=count(rows_prepared, "row"))
