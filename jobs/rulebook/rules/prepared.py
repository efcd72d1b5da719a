"""What becomes of the rows with this model, where all of them were accounted for; and settings of what is learnt."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..engine import Broken, broken, rule
from ..findings import Fix, Severity
from ..fixes import advice, clear, use
from ..words import count, names

LENGTH, ANSWERS, COMPLETIONS = "data.max_length", "data.assistant_only_loss", "data.completion_only_loss"
SHARES = ("95", "99", "100")
"""Percent of the rows for which a length is offered that keeps them whole."""
UNKNOWN = 0.01
"""Share of tokens that stand for characters which the tokenizer lacks, above which it is said."""


def _longer(max_length: int, whole_at: Mapping[str, int], context_length: int | None) -> list[Fix]:
    """Lengths that keep more rows whole, each once, as far as the model reads; else all that it reads."""
    offered: dict[int, str] = {}
    for share in SHARES:
        length = whole_at.get(share, 0)
        if length > max_length and (context_length is None or length <= context_length):
            offered[length] = share
    if not offered and context_length and context_length > max_length and whole_at:
        return [use(LENGTH, context_length, f"Keep {context_length} tokens, all that the model reads")]
    return [
        use(LENGTH, length, f"Keep {length} tokens ({share} % of the rows whole)") for length, share in offered.items()
    ]


@rule(
    code="prepared.nothing-left",
    severity=Severity.ERROR,
    field=LENGTH,
    message="Not one of {rows} leaves anything to learn from within the {max_length} tokens that are kept. {advice}",
    breaks={"rows_usable": 0, "rows_accounted": 812, "max_length": 64, "whole_at": {"95": 900, "100": 1200}},
)
def nothing_left(
    rows_usable: int,
    rows_accounted: int,
    max_length: int,
    whole_at: Mapping[str, int],
    context_length: int | None = None,
) -> Broken | None:
    """The trainer would leave out every row and then fail over an empty dataset."""
    if rows_usable or not rows_accounted:
        return None
    fixes = _longer(max_length, whole_at, context_length)
    todo = advice(fixes, "Shorten the prompts, or see whether the rows hold answers at all.")
    return broken(fixes=fixes, rows=count(rows_accounted, "row"), max_length=max_length, advice=todo)


@rule(
    code="prepared.refused",
    severity=Severity.ERROR,
    field="data.dataset",
    message="{model}'s chat template refuses {refused} ({words}), first row {first} of those that can be trained on; "
    "training would stop there. Mend or remove them.",
    breaks={
        "rows_refused": 3,
        "rows_refused_first": (4, 9, 12),
        "refusal_words": "Only user and assistant roles are supported",
        "answers_inexact": "",
        "model": "google/gemma-2b-it",
    },
)
def refused(
    rows_refused: int,
    rows_refused_first: Collection[int],
    refusal_words: str,
    answers_inexact: str,
    model: str = "the model",
) -> Broken | None:
    """A template raises at the first row that it does not expect, and nobody says which it was."""
    if not rows_refused or answers_inexact:
        return None
    return broken(
        model=model,
        refused=count(rows_refused, "row"),
        words=refusal_words,
        first=names([*map(str, rows_refused_first)]),
    )


@rule(
    code="prepared.answers-not-exact",
    severity=Severity.ERROR,
    field=ANSWERS,
    message="Learning answers only was asked for, but they cannot be told exactly from the rest ({why}). Learn every "
    "turn, or leave it to the trainer.",
    breaks={"assistant_only_loss": True, "answers_inexact": "row 4: the template leaves an answer out"},
)
def answers_not_exact(answers_inexact: str, assistant_only_loss: bool | None = None) -> Broken | None:
    """To guess where an answer begins would teach the model parts of the questions, and nobody would know."""
    if not assistant_only_loss or not answers_inexact:
        return None
    fixes = [use(ANSWERS, False, "Learn every turn"), clear(ANSWERS, "Leave it to the trainer")]
    return broken(fixes=fixes, why=answers_inexact)


@rule(
    code="prepared.cut",
    severity=Severity.WARNING,
    field=LENGTH,
    message="{cut} of {rows} are longer than the {max_length} tokens that are kept{ends}. {advice}",
    breaks={
        "rows_truncated": 40,
        "answers_cut": 38,
        "rows_accounted": 812,
        "rows_usable": 812,
        "max_length": 64,
        "whole_at": {"95": 60, "99": 128, "100": 900},
    },
)
def cut(
    rows_truncated: int,
    answers_cut: int,
    rows_accounted: int,
    rows_usable: int,
    max_length: int,
    whole_at: Mapping[str, int],
    context_length: int | None = None,
) -> Broken | None:
    """A model that never sees the end of its answers does not learn to stop."""
    if not rows_truncated or not rows_usable:
        return None
    fixes = _longer(max_length, whole_at, context_length)
    ends = f", and {count(answers_cut, 'row')} lose the end of what is to be learnt" if answers_cut else ""
    todo = advice(fixes, "Shorten the rows, if their ends matter.")
    rows = count(rows_accounted, "row")
    return broken(fixes=fixes, cut=rows_truncated, rows=rows, max_length=max_length, ends=ends, advice=todo)


@rule(
    code="prepared.left-out",
    severity=Severity.WARNING,
    field=LENGTH,
    message="{lost} of {rows} would be left out without a word: nothing to learn is in them, or nothing is left of it "
    "within {max_length} tokens. Keep more tokens, or see what those rows lack.",
    breaks={"rows_emptied": 12, "rows_usable": 800, "rows_accounted": 812, "max_length": 64},
)
def left_out(rows_emptied: int, rows_usable: int, rows_accounted: int, max_length: int) -> Broken | None:
    """The trainer drops such rows while it prepares them and does not mention it."""
    if not rows_emptied or not rows_usable:
        return None
    return broken(lost=rows_emptied, rows=count(rows_accounted, "row"), max_length=max_length)


_EQUAL = {"pairs_equal_when_cut": 3, "rows_accounted": 812, "rows_usable": 812, "max_length": 64, "whole_at": {}}


@rule(
    code="prepared.all-pairs-equal",
    severity=Severity.ERROR,
    field=LENGTH,
    message="Within the {max_length} tokens that are kept, the chosen and the rejected answer are the same in every "
    "row, so there is nothing to prefer. {advice}",
    breaks={**_EQUAL, "pairs_equal_when_cut": 812},
)
def all_pairs_equal(
    pairs_equal_when_cut: int,
    rows_usable: int,
    max_length: int,
    whole_at: Mapping[str, int],
    context_length: int | None = None,
) -> Broken | None:
    """Such a run ends as a success, with the model unchanged."""
    if not rows_usable or pairs_equal_when_cut < rows_usable:
        return None
    fixes = _longer(max_length, whole_at, context_length)
    todo = advice(fixes, "Choose a dataset whose answers differ earlier.")
    return broken(fixes=fixes, max_length=max_length, advice=todo)


@rule(
    code="prepared.pairs-equal",
    severity=Severity.WARNING,
    field=LENGTH,
    message="In {equal} of {rows} the chosen and the rejected answer are the same within the {max_length} tokens that "
    "are kept; nothing is learnt from those. {advice}",
    breaks=_EQUAL,
)
def pairs_equal(
    pairs_equal_when_cut: int,
    rows_usable: int,
    rows_accounted: int,
    max_length: int,
    whole_at: Mapping[str, int],
    context_length: int | None = None,
) -> Broken | None:
    """The difference lies beyond the cut, and the trainer says nothing."""
    if not 0 < pairs_equal_when_cut < rows_usable:
        return None
    fixes = _longer(max_length, whole_at, context_length)
    todo = advice(fixes, "Shorten the rows.")
    rows = count(rows_accounted, "row")
    return broken(fixes=fixes, equal=pairs_equal_when_cut, rows=rows, max_length=max_length, advice=todo)


@rule(
    code="prepared.unknown-characters",
    severity=Severity.WARNING,
    field="model.name",
    message="{share} of all tokens stand for characters that the tokenizer of {model} does not have; the model would "
    "read and learn the same sign in place of each. Choose a model that writes this language.",
    breaks={"unknown_token_share": 0.2, "model": "gpt2"},
)
def unknown_characters(unknown_token_share: float, model: str = "this model") -> Broken | None:
    """What the tokenizer lacks is replaced silently, and the answers come out with it."""
    if unknown_token_share < UNKNOWN:
        return None
    return broken(share=f"{unknown_token_share:.0%}", model=model)


@rule(
    code="answers.need-turns",
    severity=Severity.WARNING,
    field=ANSWERS,
    message="Learning answers only has no effect here: the rows are plain text and have no turns. {advice}",
    breaks={"assistant_only_loss": True, "conversational": False, "dataset_format": "text"},
)
def answers_need_turns(
    conversational: bool, dataset_format: str, assistant_only_loss: bool | None = None
) -> Broken | None:
    """TRL refuses it outright; a setting that is ignored in silence is worse."""
    if not assistant_only_loss or conversational or dataset_format == "unknown":
        return None
    fix = clear(ANSWERS)
    return broken(fix=fix, advice=advice([fix]))


@rule(
    code="answers.need-prompts",
    severity=Severity.WARNING,
    field=COMPLETIONS,
    message="Learning completions only has no effect here: the rows have no prompt and completion. {advice}",
    breaks={"completion_only_loss": True, "dataset_format": "text"},
)
def completions_need_prompts(dataset_format: str, completion_only_loss: bool | None = None) -> Broken | None:
    """It is about one format of rows, and nothing says so when it is set for another."""
    if not completion_only_loss or dataset_format in ("prompt_completion", "unknown"):
        return None
    fix = clear(COMPLETIONS)
    return broken(fix=fix, advice=advice([fix]))
