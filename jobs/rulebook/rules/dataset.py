"""The dataset is there, has been read, and holds rows that can be trained on."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..engine import Broken, broken, rule
from ..findings import Severity
from ..fixes import advice, convert, use
from ..words import count, names

PATH = "data.dataset"
FEW = 10


@rule(
    code="dataset.not-found",
    severity=Severity.ERROR,
    field=PATH,
    message="You have no dataset “{dataset}”. Choose one of yours, or upload it.",
    breaks={"dataset": "17", "dataset_found": False},
)
def not_found(dataset: str, dataset_found: bool) -> Broken | None:
    """It was deleted, it belongs to somebody else, or its number is mistyped; the job could not read a row."""
    return None if dataset_found else broken(dataset=dataset)


@rule(
    code="dataset.still-reading",
    severity=Severity.ERROR,
    field=PATH,
    message="{name} is still being read, so its rows are not known yet. Wait until it is ready.",
    breaks={"dataset_status": "reading", "dataset_name": "support.jsonl"},
)
def still_reading(dataset_status: str, dataset_name: str = "The dataset") -> Broken | None:
    """A job on rows that nobody has looked at yet would fail on the first bad one."""
    return broken(name=dataset_name) if dataset_status == "reading" else None


@rule(
    code="dataset.failed",
    severity=Severity.ERROR,
    field=PATH,
    message="{name} could not be read; its page says why. Choose another dataset, or upload a corrected file.",
    breaks={"dataset_status": "failed", "dataset_name": "support.jsonl"},
)
def failed(dataset_status: str, dataset_name: str = "The dataset") -> Broken | None:
    """What the portal could not read, the trainer cannot read either."""
    return broken(name=dataset_name) if dataset_status == "failed" else None


@rule(
    code="dataset.unknown-format",
    severity=Severity.ERROR,
    field=PATH,
    message="The rows have {columns}, which is no format that can be trained on. Rows need messages, or text, or "
    "prompt and completion, or prompt, chosen and rejected. On the dataset's page you can say which field is what.",
    breaks={"dataset_format": "unknown", "dataset_status": "ready", "dataset_columns": ("question", "answer")},
)
def unknown_format(dataset_format: str, dataset_status: str, dataset_columns: Sequence[str] = ()) -> Broken | None:
    """The trainer goes by the names of the fields, and stops at the first row when it finds none it knows."""
    if dataset_format != "unknown" or dataset_status != "ready":
        return None
    fields = "the field" if len(dataset_columns) == 1 else "the fields"
    return broken(columns=f"{fields} {names(dataset_columns)}" if dataset_columns else "no named fields")


def _is_known(dataset_status: str, dataset_format: str) -> bool:
    return dataset_status == "ready" and dataset_format not in ("unknown", "unpaired_preference")


@rule(
    code="dataset.no-usable-rows",
    severity=Severity.ERROR,
    field=PATH,
    message="{what}, so there is nothing to train on.{why} Upload a corrected file.",
    breaks={"rows": 20, "bad_row_count": 20, "dataset_status": "ready", "dataset_format": "messages"},
)
def no_usable_rows(
    rows: int, bad_row_count: int, dataset_status: str, dataset_format: str, bad_row_reason: str | None = None
) -> Broken | None:
    """The trainer fails on an empty dataset with an error that does not mention the data."""
    if not _is_known(dataset_status, dataset_format) or rows > bad_row_count:
        return None
    what = f"None of the {count(rows, 'row')} can be used" if rows else "The dataset has no rows"
    return broken(what=what, why=f" Most often: {bad_row_reason.rstrip('.')}." if bad_row_reason else "")


@rule(
    code="dataset.few-rows",
    severity=Severity.WARNING,
    field=PATH,
    message="Only {rows} can be trained on. A model learns little that is new from fewer than {few}, and soon repeats "
    "them word for word. Add more rows.",
    breaks={"rows": 6, "bad_row_count": 0, "dataset_status": "ready", "dataset_format": "messages"},
)
def few_rows(rows: int, bad_row_count: int, dataset_status: str, dataset_format: str) -> Broken | None:
    """A handful of rows is good for a trial run and for little else."""
    usable = rows - bad_row_count
    if not _is_known(dataset_status, dataset_format) or not 0 < usable < FEW:
        return None
    return broken(rows=count(usable, "row"), few=FEW)


def _located(lines: Sequence[int], total: int) -> str:
    """` (lines 3, 9 and 12)`, as far as they are known."""
    if not lines:
        return ""
    listed = names([str(line) for line in lines], limit=min(5, total))
    more = f" and {total - 5} more" if total > 5 and len(lines) <= 5 else ""
    return f" (line {listed})" if total == 1 else f" (lines {listed}{more})"


@rule(
    code="dataset.bad-rows",
    severity=Severity.ERROR,
    field="data.bad_rows",
    message="{bad} of {rows}{where} cannot be trained on{why}. One such row stops the run while rows are prepared. "
    "Leave them out, or correct the file and upload it again.",
    breaks={
        "rows": 812,
        "bad_row_count": 3,
        "bad_rows": "refuse",
        "bad_row_lines": (3, 9, 40),
        "bad_row_reason": "no assistant turn",
        "dataset_status": "ready",
        "dataset_format": "messages",
    },
)
def bad_rows(
    rows: int,
    bad_row_count: int,
    bad_rows: str,
    dataset_status: str,
    dataset_format: str,
    bad_row_lines: Sequence[int] = (),
    bad_row_reason: str | None = None,
) -> Broken | None:
    """Rows are left out only when somebody decides so: they may be the ones that matter."""
    if bad_rows != "refuse" or not _is_known(dataset_status, dataset_format) or not 0 < bad_row_count < rows:
        return None
    return broken(
        fix=use("data.bad_rows", "drop", "Leave them out"),
        bad=bad_row_count,
        rows=count(rows, "row"),
        where=_located(bad_row_lines, bad_row_count),
        why=f", most often: {bad_row_reason.rstrip('.')}" if bad_row_reason else "",
    )


@rule(
    code="dataset.rows-left-out",
    severity=Severity.ADVICE,
    field="data.bad_rows",
    message="{bad} of {rows} left out, because they cannot be trained on. The dataset's page lists them.",
    breaks={
        "rows": 812,
        "bad_row_count": 3,
        "bad_rows": "drop",
        "dataset_status": "ready",
        "dataset_format": "messages",
    },
)
def rows_left_out(
    rows: int, bad_row_count: int, bad_rows: str, dataset_status: str, dataset_format: str
) -> Broken | None:
    """What was decided earlier should stay visible in the result."""
    if bad_rows != "drop" or not _is_known(dataset_status, dataset_format) or not 0 < bad_row_count < rows:
        return None
    return broken(bad=bad_row_count, rows=count(rows, "row"))


@rule(
    code="dataset.equal-pairs",
    severity=Severity.WARNING,
    field=PATH,
    message="In {equal} of {usable} the chosen and the rejected answer are the same. Nothing is learnt from those; "
    "correct or remove them.",
    breaks={"method": "dpo", "equal_pairs": 7, "rows": 200, "bad_row_count": 0},
)
def equal_pairs(method: str, equal_pairs: int, rows: int, bad_row_count: int) -> Broken | None:
    """Equal answers train without any warning and leave the loss where it was."""
    usable = rows - bad_row_count
    if method != "dpo" or not 0 < equal_pairs < usable:
        return None
    return broken(equal=equal_pairs, usable=count(usable, "row"))


@rule(
    code="dataset.all-pairs-equal",
    severity=Severity.ERROR,
    field=PATH,
    message="In every one of the {usable} the chosen and the rejected answer are the same, so there is nothing to "
    "prefer and nothing would be learnt. Upload rows whose answers differ.",
    breaks={"method": "dpo", "equal_pairs": 200, "rows": 200, "bad_row_count": 0},
)
def all_pairs_equal(method: str, equal_pairs: int, rows: int, bad_row_count: int) -> Broken | None:
    """Such a run ends as a success, with the model unchanged."""
    usable = rows - bad_row_count
    if method != "dpo" or not 0 < usable <= equal_pairs:
        return None
    return broken(usable=count(usable, "row"))


_OTHER_ROWS = frozenset({
    "messages", "conversations", "text", "prompt", "completion", "chosen", "rejected", "instruction", "input", "output",
    "question", "answer", "response", "choices", "options", "context",
})  # fmt: skip
_PART_OF_ROW = frozenset({"image", "images", "audio", "video", "videos", "input_ids", "labels"})


def _untrained(columns: Sequence[str], trained: Collection[str], among: Collection[str]) -> list[str]:
    return [column for column in columns if column in among and column not in trained]


@rule(
    code="dataset.untrained-columns",
    severity=Severity.ADVICE,
    field=PATH,
    message="The rows also have {untrained}; what is trained is {trained}.",
    breaks={
        "dataset_format": "messages",
        "dataset_columns": ("messages", "text"),
        "columns_read": ("messages",),
    },
)
def untrained_columns(
    dataset_format: str, dataset_columns: Sequence[str], columns_read: Sequence[str]
) -> Broken | None:
    """A row that could be read in two ways is trained in one of them, perhaps not the one that was meant."""
    untrained = _untrained(dataset_columns, columns_read, _OTHER_ROWS)
    if not untrained or dataset_format == "unknown":
        return None
    return broken(untrained=names(untrained), trained=names(columns_read))


@rule(
    code="dataset.parts-left-out",
    severity=Severity.WARNING,
    field=PATH,
    message="The rows also have {untrained}, which cannot be trained here and is left out: the model learns from the "
    "texts alone. Put what matters into the texts.",
    breaks={"dataset_format": "messages", "dataset_columns": ("messages", "images"), "columns_read": ("messages",)},
)
def parts_left_out(dataset_format: str, dataset_columns: Sequence[str], columns_read: Sequence[str]) -> Broken | None:
    """Answers that rest on images teach a model to make them up when those are missing."""
    untrained = _untrained(dataset_columns, columns_read, _PART_OF_ROW)
    return broken(untrained=names(untrained)) if untrained and dataset_format != "unknown" else None


@rule(
    code="dataset.judged-answers",
    severity=Severity.ERROR,
    field=PATH,
    message="The rows are single answers, each judged good or bad, which cannot be trained on here. {advice}",
    breaks={"dataset_format": "unpaired_preference", "convertible_to": ("prompt_completion",)},
)
def judged_answers(dataset_format: str, convertible_to: Collection[str] = ()) -> Broken | None:
    """No trainer here takes them; trained as they are, the bad answers would be learnt like the good ones."""
    if dataset_format != "unpaired_preference":
        return None
    way = convert("prompt_completion", "Keep the good answers") if "prompt_completion" in convertible_to else None
    return broken(fix=way, advice=advice([way], "Upload the good answers as prompt and completion."))
