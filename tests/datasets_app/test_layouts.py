"""Files as other programs write them: which layout each has, and what its rows are trained as."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from trl.data_utils import maybe_convert_to_chatml, maybe_extract_prompt

from datasets_app.reading import Reading, good_rows, read_file


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def answer(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


SYSTEM = {"role": "system", "content": "Be kind."}
CALL = {"type": "function", "function": {"name": "look", "arguments": {"where": "left"}}}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
HUMAN, GPT = {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ahoy"}
CHAT = {"messages": [user("Hi"), answer("Ahoy")]}
PAIR = {"prompt": [user("Hi")], "completion": [answer("Ahoy")]}
CHOICE = {"prompt": [user("Hi")], "chosen": [answer("Ahoy")], "rejected": [answer("Hello")]}

KNOWN: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "ShareGPT": ({"conversations": [HUMAN, GPT]}, "sharegpt", CHAT),
    "ShareGPT with role and content": ({"conversations": CHAT["messages"]}, "sharegpt", CHAT),
    "ShareGPT as JSON in a cell": ({"conversations": json.dumps([HUMAN, GPT])}, "sharegpt", CHAT),
    "ShareGPT with a system prompt": (
        {"conversations": [HUMAN, GPT], "system": "Be kind."}, "sharegpt", {"messages": [SYSTEM, *CHAT["messages"]]},
    ),
    "ShareGPT with tools": (
        {"conversations": [HUMAN, {"from": "function_call", "value": json.dumps(CALL["function"])},
                           {"from": "observation", "value": "A cat"}, GPT],
         "tools": '[{"name": "look", "parameters": {"type": "object"}}]'},
        "sharegpt",
        {"messages": [user("Hi"), {"role": "assistant", "content": "", "tool_calls": [CALL]},
                      {"role": "tool", "content": "A cat"}, answer("Ahoy")], "tools": [TOOL]},
    ),
    "another name for a chat": ({"dialogue": [{"role": "User", "content": "Hi"}, answer("Ahoy")]}, "sharegpt", CHAT),
    "from and value under messages": ({"messages": [HUMAN, GPT]}, "messages", CHAT),
    "contents in parts": (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]},
                      answer("Ahoy")]}, "messages", CHAT,
    ),
    "a call without text, its arguments as JSON": (
        {"messages": [user("Hi"), {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"where": "left"}'}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "A cat"}, answer("Ahoy")], "tools": [TOOL]},
        "messages",
        {"messages": [user("Hi"), {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", **CALL}]},
                      {"role": "tool", "content": "A cat", "tool_call_id": "c1"}, answer("Ahoy")], "tools": [TOOL]},
    ),
    "a call as it was written before tools": (
        {"messages": [user("Hi"), {"role": "assistant", "content": None, "function_call":
            {"name": "look", "arguments": '{"where": "left"}'}},
            {"role": "function", "name": "look", "content": "A cat"}, answer("Ahoy")], "functions": [TOOL["function"]]},
        "messages",
        {"messages": [user("Hi"), {"role": "assistant", "content": "", "tool_calls": [CALL]},
                      {"role": "tool", "content": "A cat", "name": "look"}, answer("Ahoy")], "tools": [TOOL]},
    ),
    "weights": (
        {"messages": [user("Hi"), {**answer("No"), "weight": 0}, user("Hi"), {**answer("Ahoy"), "weight": 1}]},
        "messages",
        {"messages": [user("Hi"), {**answer("No"), "weight": 0}, user("Hi"), {**answer("Ahoy"), "weight": 1}]},
    ),
    "Alpaca": ({"instruction": "Hi", "input": "", "output": "Ahoy"}, "alpaca", PAIR),
    "Alpaca with input, system and history": (
        {"instruction": "Add", "input": "1+1", "output": "2", "system": "Be kind.", "history": [["Hi", "Ahoy"]]},
        "alpaca",
        {"prompt": [SYSTEM, user("Hi"), answer("Ahoy"), user("Add\n1+1")], "completion": [answer("2")]},
    ),
    "Alpaca beside the text made of it": (
        {"instruction": "Hi", "input": None, "output": "Ahoy", "text": "Below is…"}, "alpaca", PAIR,
    ),
    "question and answer": ({"question": "Hi", "answer": "Ahoy"}, "question_answer", PAIR),
    "query and response": ({"query": "Hi", "response": "Ahoy"}, "question_answer", PAIR),
    "problem and solution": ({"problem": "Hi", "solution": "Ahoy"}, "question_answer", PAIR),
    "input and output": ({"input": "Hi", "output": "Ahoy"}, "question_answer", PAIR),
    "an instruction with a context": (
        {"instruction": "Add", "context": "1+1", "response": "2"}, "question_answer",
        {"prompt": [user("Add\n1+1")], "completion": [answer("2")]},
    ),
    "messages and one answer as text": (
        {"prompt": [user("Hi")], "completion": "Ahoy"}, "prompt_completion", PAIR,
    ),
    "preference without a prompt": (
        {"chosen": [user("Hi"), answer("Ahoy")], "rejected": [user("Hi"), answer("Hello")]}, "preference", CHOICE,
    ),
    "preference that repeats its prompt": (
        {"prompt": "Hi", "chosen": [user("Hi"), answer("Ahoy")], "rejected": [user("Hi"), answer("Hello")]},
        "preference", CHOICE,
    ),
    "ShareGPT preference": (
        {"conversations": [HUMAN], "chosen": GPT, "rejected": {"from": "gpt", "value": "Hello"}},
        "sharegpt_preference", CHOICE,
    ),
    "OpenAI preference": (
        {"input": {"messages": [user("Hi")], "tools": [TOOL]}, "preferred_output": [answer("Ahoy")],
         "non_preferred_output": [answer("Hello")]}, "openai_preference", {**CHOICE, "tools": [TOOL]},
    ),
    "an instruction with two answers": (
        {"instruction": "Hi", "input": "", "chosen": "Ahoy", "rejected": "Hello"}, "alpaca_preference", CHOICE,
    ),
    "KTO": (
        {"prompt": "Hi", "completion": "Ahoy", "label": True}, "kto",
        {"prompt": "Hi", "completion": "Ahoy", "label": True},
    ),
    "KTO with numbers, as messages": ({**PAIR, "label": 0}, "kto", {**PAIR, "label": False}),
    "a chat with a tag": ({**CHAT, "kto_tag": False}, "kto_chat", {**PAIR, "label": False}),
}  # fmt: skip


def read(folder: Path, *rows: dict[str, Any]) -> tuple[Reading, list[dict[str, Any]]]:
    path = folder / "rows"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    reading = read_file(path)
    shape = reading.shape
    good = list(good_rows(path, shape.format, shape.conversational, shape.layout))
    assert len(good) == reading.rows - reading.bad_rows
    return reading, good


@pytest.mark.parametrize(("row", "layout", "trained"), KNOWN.values(), ids=KNOWN)
def test_a_layout_is_known_and_read(tmp_path: Path, row: Any, layout: str, trained: Any) -> None:
    reading, good = read(tmp_path, row)
    assert (reading.shape.layout, good, reading.mixture) == (layout, [trained], [])


def test_rows_that_were_read_are_read_the_same_again(tmp_path: Path) -> None:
    """A canonical row is its own canonical row: conversions and corrected copies may write it down."""
    for _, _, trained in KNOWN.values():
        assert read(tmp_path, trained)[1] == [trained]


@pytest.mark.parametrize("turns", [[HUMAN, GPT], CHAT["messages"]])
def test_sharegpt_is_read_as_trl_reads_it_apart_from_the_names_of_roles(tmp_path: Path, turns: Any) -> None:
    ours = read(tmp_path, {"conversations": turns})[1][0]
    theirs = maybe_convert_to_chatml({"conversations": [dict(turn) for turn in turns]})
    names = {"human": "user", "gpt": "assistant"}
    for turn in theirs["messages"]:
        turn["role"] = names.get(turn["role"], turn["role"])
    assert ours == theirs


@pytest.mark.parametrize("prompt", [{}, {"prompt": "Hi"}, {"prompt": [user("Hi")]}])
@pytest.mark.parametrize("before", [[user("Hi")], [SYSTEM, user("Hi")], [user("A"), answer("B"), user("Hi")]])
def test_a_prompt_is_found_where_trl_finds_it(tmp_path: Path, prompt: Any, before: Any) -> None:
    explicit = isinstance(prompt.get("prompt"), list)
    sides = {side: [*([] if explicit else before), answer(side)] for side in ("chosen", "rejected")}
    row = {**prompt, **sides}
    assert read(tmp_path, row)[1] == [maybe_extract_prompt(row)]


def test_roles_in_other_words_are_counted(tmp_path: Path) -> None:
    odd = {"messages": [{"role": " USER ", "content": "Hi"}, {"role": "developer", "content": "x"}, answer("Ahoy")]}
    bad = {"conversations": [HUMAN, {"from": "narrator", "value": "Then"}]}
    reading, _ = read(tmp_path, *[{"conversations": [HUMAN, GPT]}] * 3, odd, bad)
    assert reading.renamed == {("human", "user"): 3, ("gpt", "assistant"): 3, ("USER", "user"): 1,
                               ("developer", "system"): 1}  # fmt: skip
    assert {"from": "human", "to": "user", "turns": 3} in reading.stats["renamed_roles"]


def test_rows_of_another_layout_with_the_same_format_are_read_and_told(tmp_path: Path) -> None:
    reading, good = read(tmp_path, CHAT, {"conversations": [HUMAN, GPT]}, CHAT)
    assert good == [CHAT] * 3
    assert reading.mixture == [
        {"layout": "messages", "rows": 2, "lines": [1, 3]},
        {"layout": "sharegpt", "rows": 1, "lines": [2]},
    ]


def test_rows_of_another_format_are_bad_and_told(tmp_path: Path) -> None:
    alpaca = {"instruction": "Hi", "output": "Ahoy"}
    reading, good = read(tmp_path, CHAT, alpaca, {"txt": 1}, CHAT, {"messages": []}, alpaca)
    assert (len(good), reading.bad_rows) == (2, 4)
    assert reading.mixture == [
        {"layout": "messages", "rows": 3, "lines": [1, 4, 5]},
        {"layout": "alpaca", "rows": 2, "lines": [2, 6]},
        {"layout": "unknown", "rows": 1, "lines": [3]},
    ]
    assert reading.problems.listed[0].message == (
        "The row looks like Alpaca (instruction, input, output), but the file holds chat. "
        "Put such rows into a file of their own."
    )


def test_layouts_of_one_format_are_elected_together(tmp_path: Path) -> None:
    shares = [{"conversations": [HUMAN, GPT]}] * 2
    reading, good = read(tmp_path, *shares, CHAT, *[{"text": "a"}] * 2)
    assert (reading.shape.format, reading.shape.layout, good) == ("messages", "sharegpt", [CHAT] * 3)


def test_tools_calls_and_weights_are_counted_in_rows(tmp_path: Path) -> None:
    calls, weights = KNOWN["a call without text, its arguments as JSON"][0], KNOWN["weights"][0]
    stats = read(tmp_path, calls, calls, weights, CHAT)[0].stats
    assert stats["extras"] == {"tools": 2, "tool_calls": 2, "weights": 1}
    assert stats["unalternating"] == 0


def test_good_and_bad_answers_are_counted(tmp_path: Path) -> None:
    rows = [{"prompt": "Hi", "completion": "Ahoy", "label": label} for label in (True, False, True)]
    assert read(tmp_path, *rows)[0].stats["labels"] == {"good": 2, "bad": 1}


def test_the_ceiling_of_tokens_leaves_room_for_tools(tmp_path: Path) -> None:
    row = KNOWN["a call without text, its arguments as JSON"][0]
    assert read(tmp_path, row)[0].stats["token_ceiling"] > len(json.dumps(row, indent=4))
