"""What every job must say: which model, which method, which data, which strategy."""

from __future__ import annotations

from typing import Any

from ..engine import Broken, broken, rule
from ..findings import Severity
from ..fixes import advice, model_at_hand, use
from .strategy import fitting

Unreadable = tuple[tuple[str, str, str], ...]
UnknownKeys = tuple[tuple[str, str | None, Any], ...]
NOTHING_GIVEN = {"unreadable": (), "unknown_keys": ()}


def _is_missing(path: str, value: Any, unreadable: Unreadable, unknown_keys: UnknownKeys) -> bool:
    """Nothing was given, not even something that another finding is already about."""
    said = {path for path, _, _ in unreadable} | {near for _, near, meant in unknown_keys if meant is not None}
    return value is None and "" not in said and path not in said


@rule(
    code="required.model",
    severity=Severity.ERROR,
    field="model.name",
    message="model.name is required: there is nothing to train without a base model. {advice}",
    breaks=NOTHING_GIVEN,
)
def model_is_required(
    unreadable: Unreadable, unknown_keys: UnknownKeys, model: str | None = None, chat_model: str | None = None
) -> Broken | None:
    """Every other question about a job depends on the model."""
    if not _is_missing("model.name", model, unreadable, unknown_keys):
        return None
    fix = model_at_hand(chat_model, model)
    return broken(fix=fix, advice=advice([fix], "Choose one of the catalogue."))


@rule(
    code="required.method",
    severity=Severity.ERROR,
    field="training.method",
    message="training.method is required: it says what is learnt from a row. {advice}",
    breaks=NOTHING_GIVEN,
)
def method_is_required(
    unreadable: Unreadable, unknown_keys: UnknownKeys, method: str | None = None, dataset_format: str | None = None
) -> Broken | None:
    """The two methods need different rows and learn at very different rates, so neither is assumed."""
    if not _is_missing("training.method", method, unreadable, unknown_keys):
        return None
    fix = use("training.method", "dpo" if dataset_format == "preference" else "sft")
    why = "DPO learns from rows with a chosen and a rejected answer, SFT from all others."
    return broken(fix=fix, advice=f"{why} {fix.label}.")


@rule(
    code="required.dataset",
    severity=Severity.ERROR,
    field="data.dataset",
    message="data.dataset is required: there is nothing to learn without rows. Upload a dataset or choose one "
    "of yours.",
    breaks=NOTHING_GIVEN,
)
def dataset_is_required(unreadable: Unreadable, unknown_keys: UnknownKeys, dataset: str | None = None) -> Broken | None:
    """A job without rows cannot take a step."""
    return broken() if _is_missing("data.dataset", dataset, unreadable, unknown_keys) else None


@rule(
    code="required.strategy",
    severity=Severity.ERROR,
    field="data.strategy",
    message="data.strategy is required: it says how a row becomes text. {advice}",
    breaks=NOTHING_GIVEN,
)
def strategy_is_required(
    unreadable: Unreadable,
    unknown_keys: UnknownKeys,
    strategy: str | None = None,
    conversational: bool | None = None,
    supports_chat: bool | None = None,
    convertible_to: tuple[str, ...] = (),
    method: str | None = None,
    chat_model: str | None = None,
) -> Broken | None:
    """Guessing between chat and standard would change what the model sees without anybody deciding it."""
    if not _is_missing("data.strategy", strategy, unreadable, unknown_keys):
        return None
    known = conversational is not None
    fixes = fitting(conversational, supports_chat, convertible_to, method, chat_model) if known else []
    return broken(fixes=fixes, advice=advice(fixes, "Use chat for conversations, standard for plain text."))
