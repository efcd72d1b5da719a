"""Arguments of calls reach a template in the one form that it takes: an object, or JSON in a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from jobs.preparation.answers import way_of
from jobs.preparation.calls import wants_text
from jobs.preparation.plan import Plan
from jobs.preparation.prepare import Example, prepare
from jobs.preparation.rendering import Writer
from jobs.trainer.run_file import RunFile
from jobs.trainer.tokenising import as_template_takes_them
from tests.inspection.small_tokenizers import published
from tests.tiny_models import make_tiny_model
from tests.trainer.runs import make_run, train

from .small import TOOL, assistant, make_merging_tokenizer, turn, user

CALL = {"type": "function", "function": {"name": "weather", "arguments": {"place": "Köln"}}}
TURNS = [user("Rain?"), assistant("", tool_calls=[CALL]), turn("tool", "Yes.", name="weather"), assistant("It rains.")]


def template(arguments: str) -> str:
    call = "{% for call in m.tool_calls or [] %}{{ " + arguments + " }}{% endfor %}"
    asks = "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    return "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}" + call + "<|end|>{% endfor %}" + asks


JOINS = template("call.function.name + '(' + call.function.arguments + ')'")
PRINTS = template("call.function.arguments")
WRITES = template("call.function.arguments | tojson")
IN_A_TEXT = '{"place": "Köln"}'


def written(tmp_path: Path, template: str) -> str:
    tokenizer = AutoTokenizer.from_pretrained(make_merging_tokenizer(tmp_path, template))
    return Writer(tokenizer).text(TURNS, None, waits=False)


@pytest.mark.parametrize("takes", [JOINS, PRINTS, WRITES], ids=["joins", "prints", "writes"])
def test_arguments_are_written_as_json_whatever_form_a_template_takes(tmp_path: Path, takes: str) -> None:
    assert IN_A_TEXT in written(tmp_path, takes)


def test_a_template_that_takes_objects_is_given_them(tmp_path: Path) -> None:
    items = template("call.function.arguments.items() | list")
    assert "[('place', 'Köln')]" in written(tmp_path, items)


def test_rows_are_not_changed_by_it(tmp_path: Path) -> None:
    written(tmp_path, JOINS)
    assert CALL["function"]["arguments"] == {"place": "Köln"}  # type: ignore[index]


def test_a_call_is_learnt_as_part_of_its_answer(tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(make_merging_tokenizer(tmp_path, JOINS))
    (row,) = prepare(tokenizer, Plan("messages", True), [{"messages": TURNS}], way_of(tokenizer))
    assert isinstance(row, Example)
    learnt = tokenizer.decode([label for label in row.labels if label >= 0])
    assert learnt == f"weather({IN_A_TEXT})<|end|>It rains.<|end|>"


@pytest.mark.parametrize(("takes", "is_text"), [(JOINS, True), (PRINTS, True), (WRITES, False)])
def test_pairs_are_given_to_trl_in_that_form(tmp_path: Path, takes: str, is_text: bool) -> None:
    from datasets import Dataset, Features, Json, List

    tokenizer = AutoTokenizer.from_pretrained(make_merging_tokenizer(tmp_path, takes))
    pair: dict[str, Any] = {"prompt": TURNS[:1], "chosen": TURNS[1:2], "rejected": [assistant("No.")]}
    rows = Dataset.from_list([pair], features=Features({name: List(Json()) for name in pair}))
    asked = RunFile(job=0, attempt=0, spec={}, model_path="", dataset_format="preference", conversational=True, rows=1,
                    facts={})  # fmt: skip
    (made,) = as_template_takes_them(asked, rows, tokenizer)
    arguments = made["chosen"][0]["tool_calls"][0]["function"]["arguments"]
    assert arguments == (IN_A_TEXT if is_text else {"place": "Köln"})
    assert made["prompt"] == TURNS[:1]


@pytest.mark.parametrize("line", ["qwen3", "llama3_1", "gptoss", "glm4moe"])
def test_published_templates_take_objects(tmp_path: Path, line: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(make_merging_tokenizer(tmp_path, published(line)))
    assert not Writer(tokenizer).wants_text(None)


def test_what_refuses_both_forms_wants_neither() -> None:
    assert not wants_text(None, None)
    assert not wants_text("an object", None)


@pytest.mark.slow
def test_a_model_is_trained_on_calls_of_the_tools_that_it_is_told_of(tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "model", chat=True)
    tools = "{% if tools %}{{ tools | tojson }}{% endif %}"
    (model / "chat_template.jinja").write_text(tools + JOINS)
    rows = [{"messages": TURNS, "tools": [TOOL], "_line": number} for number in range(1, 9)] + [
        {"messages": [user("Hi"), assistant("Hello.")], "_line": 9}
    ]
    ended = train(make_run(tmp_path / "run", model, rows=rows, data__max_length=256, training__num_epochs=1))
    assert ended.code == 0, ended.log
    assert len(ended.losses) > 0
    (prepared,) = ended.said("prepared")
    assert prepared["rows_prepared"] == 9
