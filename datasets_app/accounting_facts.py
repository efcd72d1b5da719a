"""What the rulebook may know from an account of the rows, where one is at hand for the very settings of a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User

from models_catalog import catalogue

from . import accounting
from .models import Accounting, Dataset

LONGEST_WORDS = 200


def accounting_facts(dataset_id: str, model_name: str, settings: Mapping[str, Any], user: User) -> dict[str, Any]:
    """Facts of source `measured`; none where the rows were not accounted for. `settings` are by dotted name.

    The dataset was found before.
    """
    dataset, model = Dataset.objects.visible_to(user).filter(pk=dataset_id).first(), catalogue.find(model_name)
    if dataset is None or model is None or not isinstance(settings.get("data.max_length"), int):
        return {}
    account = accounting.at_hand(
        dataset, model, accounting.plan_of(dataset, settings), settings.get("model.revision") or None
    )
    return facts_of(account.summary) if account and account.state == Accounting.State.DONE and account.summary else {}


def facts_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    refusals = summary["refusals"]
    return {
        "rows_accounted": summary["rows"],
        "rows_usable": summary["usable"],
        "rows_truncated": summary["cut"],
        "answers_cut": summary["end_cut"],
        "rows_emptied": summary["dropped"] + summary["masked"],
        "rows_refused": summary["refused"],
        "rows_refused_first": tuple(row + 1 for row in summary["first"]["refused"]),
        "refusal_words": refusals[0]["words"][:LONGEST_WORDS] if refusals else "",
        "answers_inexact": summary["inexact"],
        "trained_tokens": summary["trained_tokens"],
        "unknown_token_share": summary["unknown_tokens"] / summary["tokens"] if summary["tokens"] else 0.0,
        "pairs_equal_when_cut": summary["equal"] + summary["equal_cut"],
        "whole_at": summary["lengths"],
        "row_tokens": tuple(map(tuple, summary["histogram"])),
        "packed_sequences": summary["packing"].get("sequences"),
    }
