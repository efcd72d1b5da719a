"""The trainer is given rows of SFT with ids and labels: answers only where they can be told, and says which it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.rulebook.reading import nest
from jobs.trainer.failures import TrainingError
from jobs.trainer.folder import LINE
from jobs.trainer.run_file import RunFile
from jobs.trainer.tokenising import tokenise

from .small import CHATS, PROMPTS, assistant, make_merging_tokenizer, user
from .test_account import ENDS_OTHERWISE, STRICT


def run(
    format: str = "messages", *, conversational: bool = True, facts: dict[str, Any] | None = None, **changes: Any
) -> RunFile:
    spec = {"training.method": "sft", "model.name": "house/tiny"} | {f"data.{name}": v for name, v in changes.items()}
    return RunFile(job=0, attempt=0, spec=nest(spec), model_path="", dataset_format=format,
                   conversational=conversational, rows=1, facts=facts or {})  # fmt: skip


def told(folder: Path, rows: list[dict[str, Any]], asked: RunFile) -> tuple[list[str], str | None, Any]:
    """What is learnt of each row, the reason that is given, and the rows themselves."""
    from datasets import Dataset, disable_progress_bars
    from transformers import AutoTokenizer

    disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    made = tokenise(asked, Dataset.from_list(rows), tokenizer)
    learnt = [tokenizer.decode([label for label in row["labels"] if label >= 0]) for row in made.value]
    return learnt, made.reason, made.value


def test_a_chat_learns_its_answers_with_their_ends(chatml: Path) -> None:
    learnt, reason, _ = told(chatml, CHATS[5:6], run())
    assert learnt == ["It is four.<|im_end|>\nFour, of course.<|im_end|>"]
    assert reason == "Only answers are learnt: they are found by rendering each row up to every answer."


def test_every_turn_is_learnt_when_that_was_asked_for(chatml: Path) -> None:
    learnt, reason, rows = told(chatml, CHATS, run(assistant_only_loss=False))
    assert [row["labels"] for row in rows] == [row["input_ids"] for row in rows]
    assert reason is None
    assert "user\nWhat is two and two?" in learnt[0]


def test_every_turn_is_learnt_where_one_row_cannot_be_told(tmp_path: Path) -> None:
    rows = [CHATS[0], CHATS[5]]
    learnt, reason, _ = told(make_merging_tokenizer(tmp_path, ENDS_OTHERWISE), rows, run())
    assert "What is two and two?" in learnt[0]
    assert reason == (
        "Every turn is learnt, because answers cannot be told exactly in row 1: the template writes turns otherwise "
        "once others follow them."
    )


def test_answers_that_were_asked_for_and_cannot_be_told_stop_the_run(tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as stopped:
        told(make_merging_tokenizer(tmp_path, ENDS_OTHERWISE), CHATS, run(assistant_only_loss=True))
    finding = stopped.value.finding
    assert (finding.code, finding.field) == ("trainer.answers-not-exact", "data.assistant_only_loss")
    assert finding.fixes[0].changes == {"data.assistant_only_loss": False}


def test_a_row_that_the_template_refuses_is_named_by_its_line(tmp_path: Path) -> None:
    bad = [{"role": "system", "content": "Be kind."}, user("Hi"), assistant("Hello")]
    with pytest.raises(TrainingError, match="does not accept line 7 of the dataset: No system turns") as stopped:
        told(
            make_merging_tokenizer(tmp_path, STRICT),
            [{"messages": CHATS[0]["messages"], LINE: 3}, {"messages": bad, LINE: 7}],
            run(),
        )
    assert stopped.value.finding.code == "trainer.template-refused"


@pytest.mark.parametrize(("asked", "prompt_is_learnt"), [(None, False), (True, False), (False, True)])
def test_prompts_are_learnt_only_when_that_was_asked_for(
    chatml: Path, asked: bool | None, prompt_is_learnt: bool
) -> None:
    plain = run("prompt_completion", conversational=False, completion_only_loss=asked)
    learnt, _, _ = told(chatml, PROMPTS[:1], plain)
    assert learnt == ["What is two and two?It is four.</s>" if prompt_is_learnt else "It is four.</s>"]


def test_the_line_of_a_row_goes_with_it_and_nothing_else(chatml: Path) -> None:
    _, _, rows = told(chatml, [{"messages": CHATS[0]["messages"], LINE: 3}], run())
    assert rows.column_names == [LINE, "input_ids", "labels"]
    assert rows[LINE] == [3]


def test_answers_of_weight_0_ask_for_answers_only(tmp_path: Path, chatml: Path) -> None:
    rows = [{"messages": [user("Hi"), assistant("No", weight=0), user("Hi?"), assistant("Yes", weight=1)]}]
    weighted = run(facts={"rows_with_weights": 1})
    assert told(chatml, rows, weighted)[0] == ["Yes<|im_end|>"]
    with pytest.raises(TrainingError, match="Some answers have weight 0 and are not to be learnt, but in row 1"):
        told(make_merging_tokenizer(tmp_path, ENDS_OTHERWISE), rows, weighted)
