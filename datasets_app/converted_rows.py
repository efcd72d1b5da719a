"""How one row becomes another: rows in, rows out, and nothing else known. Every change says what it gives up.

A function answers with the new row, or with words that say why there is none.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

Row = dict[str, Any]
Turn = dict[str, Any]
Changed = Row | str


def as_plain_text(row: Row) -> Changed:
    """Turns become lines such as `User: …`; a prompt and its completion simply follow each other."""
    if isinstance(row.get("prompt"), str):
        return {"text": row["prompt"] + row["completion"]}
    return {"text": "\n\n".join(map(_line, conversation(row)))}


def _line(turn: Turn) -> str:
    calls = [
        f"{call['function']['name']}({json.dumps(call['function']['arguments'], ensure_ascii=False)})"
        for call in turn.get("tool_calls") or ()
    ]
    said = "\n".join(part for part in (turn["content"], *calls) if part)
    return f"{turn['role'].capitalize()}: {said}"


def conversation(row: Row) -> list[Turn]:
    """All turns of a row whose sides are lists of messages."""
    turns: list[Turn] = row.get("messages") or [*row["prompt"], *row["completion"]]
    return turns


def as_chat(row: Row) -> Changed:
    return _with_tools(row, {"messages": _turns("user", row["prompt"]) + _turns("assistant", row["completion"])})


def _turns(role: str, side: str | list[Turn]) -> list[Turn]:
    if isinstance(side, list):
        return side
    return [{"role": role, "content": side}] if side else []


def _with_tools(row: Row, new: Row) -> Row:
    return {**new, "tools": row["tools"]} if row.get("tools") else new


def as_last_answer(row: Row) -> Changed:
    """The last answer that is to be learnt is the completion; what came before it is the prompt."""
    turns = row["messages"]
    learnt = [number for number, turn in enumerate(turns) if turn["role"] == "assistant" and turn.get("weight") != 0]
    last = learnt[-1]
    if not last:
        return "Nothing stands before its only answer."
    return _with_tools(row, {"prompt": turns[:last], "completion": [turns[last]]})


def as_chosen(row: Row) -> Changed:
    return _with_tools(row, {"prompt": row["prompt"], "completion": row["chosen"]})


def as_good_answer(row: Row) -> Changed:
    if not row["label"]:
        return "Its answer was judged bad."
    return {name: value for name, value in row.items() if name != "label"}


def as_alpaca(row: Row) -> Changed:
    """System prompt, earlier exchanges, last question and its answer, each in a field of its own."""
    if isinstance(row.get("prompt"), str):
        return {"instruction": row["prompt"], "input": "", "output": row["completion"]}
    turns = conversation(row)
    if row.get("tools") or any(turn["role"] == "tool" or turn.get("tool_calls") for turn in turns):
        return "It uses tools, for which Alpaca has no field."
    system = turns[0]["content"] if turns and turns[0]["role"] == "system" else ""
    spoken = turns[1:] if system or (turns and turns[0]["role"] == "system") else turns
    roles = [turn["role"] for turn in spoken]
    if roles != ["user", "assistant"] * (len(spoken) // 2):
        return "Its users and assistants do not take turns, a user first."
    exchanges = [(one["content"], other["content"]) for one, other in list(pairwise(spoken))[::2]]
    *earlier, (asked, answered) = exchanges
    if not asked.strip():
        return "Its last question is empty."
    more = ({"system": system} if system else {}) | ({"history": [list(each) for each in earlier]} if earlier else {})
    return {"instruction": asked, "input": "", "output": answered, **more}
