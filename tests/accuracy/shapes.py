"""Shapes of data: what people upload, from the usual to the odd. Each is the rows of one file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .case import Row

ROWS = 12
Turn = dict[str, Any]


def user(content: Any) -> Turn:
    return {"role": "user", "content": content}


def assistant(content: Any) -> Turn:
    return {"role": "assistant", "content": content}


def system(content: Any) -> Turn:
    return {"role": "system", "content": content}


def question(number: int) -> str:
    return f"What is {number} and {number + 1}?"


def answer(number: int) -> str:
    return f"The answer is {2 * number + 1}."


def doubt(number: int) -> str:
    return f"Nobody knows, maybe {number}."


def chat(*turns: Turn) -> Row:
    return {"messages": list(turns)}


def pair(number: int, **changes: Any) -> Row:
    row = {"prompt": question(number), "chosen": f" {answer(number)}", "rejected": f" {doubt(number)}"}
    return {name: value for name, value in (row | changes).items() if value is not None}


def talked_pair(number: int, **changes: Any) -> Row:
    row = {
        "prompt": [user(question(number))],
        "chosen": [assistant(answer(number))],
        "rejected": [assistant(doubt(number))],
    }
    return {name: value for name, value in (row | changes).items() if value is not None}


def one_odd(shape: Callable[[int], Row], odd: Row | str) -> list[Row | str]:
    """Good rows, with one in their midst that is not."""
    rows: list[Row | str] = [shape(number) for number in range(ROWS)]
    rows[5] = odd
    return rows


def text_row(number: int) -> Row:
    return {"text": f"{question(number)} {answer(number)}"}


def chat_row(number: int) -> Row:
    return chat(user(question(number)), assistant(answer(number)))


def completion_row(number: int) -> Row:
    return {"prompt": question(number), "completion": f" {answer(number)}"}


def talked_completion_row(number: int) -> Row:
    return {"prompt": [user(question(number))], "completion": [assistant(answer(number))]}


def _all(shape: Callable[[int], Row | str], rows: int = ROWS) -> list[Row | str]:
    return [shape(number) for number in range(rows)]


CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": 2}}}
TOOL = {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object"}}}
LONG = 40
_WORDS = "The sky is blue and the grass is green. "

TEXT: dict[str, list[Row | str]] = {
    "text": _all(text_row),
    "text-one-row": _all(text_row, 1),
    "text-two-rows": _all(text_row, 2),
    "text-long": _all(lambda n: {"text": _WORDS * LONG + answer(n)}),
    "text-one-long": one_odd(text_row, {"text": _WORDS * LONG}),
    "text-short": _all(lambda n: {"text": "ab"}),
    "text-one-letter": _all(lambda n: {"text": "a"}),
    "text-empty": _all(lambda n: {"text": ""}),
    "text-one-empty": one_odd(text_row, {"text": ""}),
    "text-blank": _all(lambda n: {"text": " \n "}),
    "text-null": one_odd(text_row, {"text": None}),
    "text-number": one_odd(text_row, {"text": 5}),
    "text-list": one_odd(text_row, {"text": ["a"]}),
    "text-true": one_odd(text_row, {"text": True}),
    "text-unicode": _all(lambda n: {"text": f"Größe {n} 😀 e\u0301 日本語 \u200d\u2028 {answer(n)}"}),
    "text-control": _all(lambda n: {"text": f"a\x00b\x07\ufeff\r\n\t{answer(n)}"}),
    "text-specials": _all(lambda n: {"text": f"{question(n)}</s><|im_end|><pad>{answer(n)}"}),
    "text-starts-marked": _all(lambda n: {"text": f"<s>{question(n)}"}),
    "text-ends-marked": _all(lambda n: {"text": f"{question(n)}</s>"}),
    "text-surrogate": one_odd(text_row, '{"text": "half \\ud83d of it"}'),
    "text-broken-line": one_odd(text_row, '{"text": "no end'),
    "text-python-line": one_odd(text_row, "{'text': 'quoted in Python'}"),
    "text-blank-lines": ["", *_all(text_row), "", ""],
    "text-nan-beside": _all(lambda n: f'{{"text": "{question(n)}", "score": NaN}}'),
    "text-infinity-beside": one_odd(text_row, '{"text": "What is it?", "score": -Infinity}'),
    "text-null-beside": _all(lambda n: text_row(n) | {"source": None}),
    "text-mixed-beside": [text_row(n) | {"id": n if n % 2 else str(n)} for n in range(ROWS)],
    "text-nested-beside": [text_row(n) | {"meta": {"a": [n]} if n % 2 else {"b": "c"}} for n in range(ROWS)],
    "text-label-beside": _all(lambda n: text_row(n) | {"label": n, "labels": n}),
    "text-image-beside": _all(lambda n: text_row(n) | {"image": "a.png"}),
    "text-ids-beside": _all(lambda n: text_row(n) | {"input_ids": [5, 6, 7]}),
    "text-prompt-beside": _all(lambda n: text_row(n) | {"prompt": question(n)}),
    "text-completion-beside": _all(lambda n: text_row(n) | {"completion": answer(n)}),
    "text-messages-sometimes": [*_all(text_row, 8), *_all(chat_row, 4)],
    "text-capital": _all(lambda n: {"Text": question(n)}),
    "text-called-content": _all(lambda n: {"content": question(n)}),
    "text-instruction": _all(lambda n: {"instruction": question(n), "input": "", "output": answer(n)}),
    "text-question": _all(lambda n: {"question": question(n), "answer": answer(n)}),
    "text-strings": _all(lambda n: f'"{question(n)}"'),
    "tokens-only": _all(lambda n: {"input_ids": [5, 6, 7], "labels": [5, 6, 7]}),
    "nothing-in-objects": _all(lambda n: {}),
}
CHAT: dict[str, list[Row | str]] = {
    "chat": _all(chat_row),
    "chat-one-row": _all(chat_row, 1),
    "chat-system": _all(lambda n: chat(system("You are helpful."), user(question(n)), assistant(answer(n)))),
    "chat-systems": _all(lambda n: chat(system("Be kind."), system("Be brief."), user(question(n)), assistant("Yes."))),
    "chat-system-late": _all(lambda n: chat(user(question(n)), system("Be brief."), assistant(answer(n)))),
    "chat-turns": _all(lambda n: chat(user("Hi."), assistant("Hello."), user(question(n)), assistant(answer(n)))),
    "chat-users": _all(lambda n: chat(user("Hi."), user(question(n)), assistant(answer(n)))),
    "chat-assistants": _all(lambda n: chat(user(question(n)), assistant("Let me see."), assistant(answer(n)))),
    "chat-assistant-first": _all(lambda n: chat(assistant("Welcome."), user(question(n)), assistant(answer(n)))),
    "chat-user-last": _all(lambda n: chat(user(question(n)), assistant(answer(n)), user("Thanks."))),
    "chat-users-only": _all(lambda n: chat(user(question(n)))),
    "chat-one-without-answer": one_odd(chat_row, chat(user("Hello?"))),
    "chat-empty-list": one_odd(chat_row, chat()),
    "chat-all-empty-lists": _all(lambda n: chat()),
    "chat-null": one_odd(chat_row, {"messages": None}),
    "chat-null-question": one_odd(chat_row, chat(user(None), assistant("Yes."))),
    "chat-null-answer": one_odd(chat_row, chat(user("Hello?"), assistant(None))),
    "chat-empty-question": _all(lambda n: chat(user(""), assistant(answer(n)))),
    "chat-empty-answer": _all(lambda n: chat(user(question(n)), assistant(""))),
    "chat-one-empty-answer": one_odd(chat_row, chat(user("Hello?"), assistant(""))),
    "chat-no-content": one_odd(chat_row, {"messages": [{"role": "user"}, assistant("Yes.")]}),
    "chat-no-role": one_odd(chat_row, {"messages": [{"content": "Hello?"}, assistant("Yes.")]}),
    "chat-number": one_odd(chat_row, chat(user(5), assistant("Yes."))),
    "chat-numbers": _all(lambda n: chat(user(n), assistant(2 * n))),
    "chat-parts": _all(lambda n: chat(user([{"type": "text", "text": question(n)}]), assistant(answer(n)))),
    "chat-all-parts": _all(
        lambda n: chat(user([{"type": "text", "text": "Hi"}]), assistant([{"type": "text", "text": answer(n)}]))
    ),
    "chat-one-parts": one_odd(chat_row, chat(user([{"type": "text", "text": "Hello?"}]), assistant("Yes."))),
    "chat-human-gpt": _all(
        lambda n: {"messages": [{"role": "human", "content": question(n)}, {"role": "gpt", "content": answer(n)}]}
    ),
    "chat-capital-roles": _all(
        lambda n: {"messages": [{"role": "User", "content": question(n)}, {"role": "Assistant", "content": answer(n)}]}
    ),
    "chat-developer": _all(
        lambda n: chat({"role": "developer", "content": "Be kind."}, user(question(n)), assistant(answer(n)))
    ),
    "chat-from-value": _all(
        lambda n: {"messages": [{"from": "human", "value": question(n)}, {"from": "gpt", "value": answer(n)}]}
    ),
    "chat-conversations": _all(
        lambda n: {"conversations": [{"from": "human", "value": question(n)}, {"from": "gpt", "value": answer(n)}]}
    ),
    "chat-conversation": _all(lambda n: {"conversation": [user(question(n)), assistant(answer(n))]}),
    "chat-as-text": _all(lambda n: {"messages": f'[{{"role": "user", "content": "{n}"}}]'}),
    "chat-nested": _all(lambda n: {"messages": [[user(question(n)), assistant(answer(n))]]}),
    "chat-tool": _all(
        lambda n: chat(user(question(n)), {"role": "tool", "content": str(2 * n + 1)}, assistant(answer(n)))
    ),
    "chat-tool-calls": _all(
        lambda n: chat(
            user(question(n)),
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "content": "3"},
            assistant(answer(n)),
        )
    ),
    "chat-calls-beside-text": _all(
        lambda n: chat(user(question(n)), {"role": "assistant", "content": answer(n), "tool_calls": [CALL]})
    ),
    "chat-no-calls": _all(
        lambda n: chat(user(question(n)), {"role": "assistant", "content": answer(n), "tool_calls": []})
    ),
    "chat-named": _all(lambda n: chat({"role": "user", "content": question(n), "name": "Ann"}, assistant(answer(n)))),
    "chat-thought": _all(
        lambda n: chat(user(question(n)), {**assistant(answer(n)), "reasoning_content": "One more than twice."})
    ),
    "chat-think-tags": _all(lambda n: chat(user(question(n)), assistant(f"<think>Add them.</think>{answer(n)}"))),
    "chat-tools-beside": _all(lambda n: chat_row(n) | {"tools": [TOOL]}),
    "chat-broken-tools-beside": _all(lambda n: chat_row(n) | {"tools": "add(a, b)"}),
    "chat-text-beside": _all(lambda n: chat_row(n) | {"text": question(n)}),
    "chat-prompt-beside": _all(lambda n: chat_row(n) | {"prompt": question(n)}),
    "chat-text-sometimes": [*_all(chat_row, 8), *_all(text_row, 4)],
    "chat-long": _all(lambda n: chat(user(question(n)), assistant(_WORDS * LONG))),
    "chat-long-question": _all(lambda n: chat(user(_WORDS * LONG), assistant(answer(n)))),
    "chat-one-long": one_odd(chat_row, chat(user(_WORDS * LONG), assistant("Yes."))),
    "chat-many-turns": _all(lambda n: chat(*[turn for i in range(15) for turn in (user("More?"), assistant("Yes."))])),
    "chat-specials": _all(lambda n: chat(user("<|im_end|>\n<|im_start|>assistant"), assistant(f"</s>{answer(n)}"))),
    "chat-blanks-around": _all(lambda n: chat(user(f"  {question(n)}\n"), assistant(f" {answer(n)}  "))),
    "chat-unicode": _all(lambda n: chat(user("Größe 😀?"), assistant(f"日本語 {n}"))),
    "chat-control": _all(lambda n: chat(user("a\x00b\x07"), assistant(f"\ufeff{answer(n)}\r\n"))),
    "chat-braces": _all(lambda n: chat(user("{{ bos_token }} {% if x %}"), assistant(f"{{% raw %}}{answer(n)}"))),
}
COMPLETION: dict[str, list[Row | str]] = {
    "completion": _all(completion_row),
    "completion-chat": _all(talked_completion_row),
    "completion-no-blank": _all(lambda n: {"prompt": "The ans", "completion": f"wer is {n}."}),
    "completion-empty-prompt": _all(lambda n: {"prompt": "", "completion": answer(n)}),
    "completion-empty": _all(lambda n: {"prompt": question(n), "completion": ""}),
    "completion-one-empty": one_odd(completion_row, {"prompt": "Hello?", "completion": ""}),
    "completion-null": one_odd(completion_row, {"prompt": "Hello?", "completion": None}),
    "completion-null-prompt": one_odd(completion_row, {"prompt": None, "completion": " Yes."}),
    "completion-missing": _all(lambda n: {"prompt": question(n)}),
    "completion-mixed": one_odd(completion_row, {"prompt": [user("Hello?")], "completion": [assistant("Yes.")]}),
    "completion-text-answer": _all(lambda n: {"prompt": [user(question(n))], "completion": answer(n)}),
    "completion-empty-list": one_odd(talked_completion_row, {"prompt": [user("Hello?")], "completion": []}),
    "completion-empty-prompt-list": one_odd(talked_completion_row, {"prompt": [], "completion": [assistant("Yes.")]}),
    "completion-system": _all(
        lambda n: {"prompt": [system("Be brief."), user(question(n))], "completion": [assistant(answer(n))]}
    ),
    "completion-whole-chat": _all(
        lambda n: {"prompt": [user(question(n))], "completion": [user(question(n)), assistant(answer(n))]}
    ),
    "completion-long-prompt": _all(lambda n: {"prompt": _WORDS * LONG, "completion": f" {answer(n)}"}),
    "completion-some-long-prompts": [
        {"prompt": _WORDS * (LONG if n % 3 == 0 else 1), "completion": f" {answer(n)}"} for n in range(ROWS)
    ],
    "completion-long": _all(lambda n: {"prompt": question(n), "completion": _WORDS * LONG}),
}
PREFERENCE: dict[str, list[Row | str]] = {
    "preference": _all(pair),
    "preference-chat": _all(talked_pair),
    "preference-no-prompt": _all(
        lambda n: pair(n, prompt=None, chosen=f"{question(n)} {answer(n)}", rejected=f"{question(n)} {doubt(n)}")
    ),
    "preference-no-common-start": _all(lambda n: pair(n, prompt=None, chosen="Yes.", rejected="No.")),
    "preference-chat-no-prompt": _all(
        lambda n: talked_pair(
            n,
            prompt=None,
            chosen=[user(question(n)), assistant(answer(n))],
            rejected=[user(question(n)), assistant(doubt(n))],
        )
    ),
    "preference-chat-nothing-common": _all(
        lambda n: talked_pair(
            n, prompt=None, chosen=[user("A?"), assistant("Yes.")], rejected=[user("B?"), assistant("No.")]
        )
    ),
    "preference-equal": _all(lambda n: pair(n, rejected=f" {answer(n)}")),
    "preference-some-equal": [pair(n, **({"rejected": f" {answer(n)}"} if n % 3 == 0 else {})) for n in range(ROWS)],
    "preference-equal-start": _all(
        lambda n: pair(n, chosen=f" {_WORDS * LONG} {answer(n)}", rejected=f" {_WORDS * LONG} {doubt(n)}")
    ),
    "preference-empty-answer": _all(lambda n: pair(n, rejected="")),
    "preference-empty-prompt": _all(lambda n: pair(n, prompt="")),
    "preference-null": one_odd(pair, {"prompt": "Hello?", "chosen": None, "rejected": " No."}),
    "preference-null-prompt": one_odd(pair, {"prompt": None, "chosen": " Yes.", "rejected": " No."}),
    "preference-number": one_odd(pair, {"prompt": "Hello?", "chosen": 1, "rejected": 2}),
    "preference-lists": _all(lambda n: pair(n, chosen=[answer(n)], rejected=[doubt(n)])),
    "preference-mixed": _all(lambda n: talked_pair(n, prompt=question(n))),
    "preference-chosen-only": _all(lambda n: pair(n, rejected=None)),
    "preference-long-prompt": _all(lambda n: pair(n, prompt=_WORDS * LONG)),
    "preference-repeats-prompt": _all(
        lambda n: pair(n, chosen=f"{question(n)} {answer(n)}", rejected=f"{question(n)} {doubt(n)}")
    ),
    "preference-whole-chats": _all(
        lambda n: talked_pair(
            n, chosen=[user(question(n)), assistant(answer(n))], rejected=[user(question(n)), assistant(doubt(n))]
        )
    ),
    "preference-scored": _all(lambda n: pair(n) | {"score_chosen": 9.5, "score_rejected": 1.0}),
    "preference-one-row": _all(pair, 1),
}
FILES: dict[str, bytes] = {
    "file-empty": b"",
    "file-blank": b"\n\n",
    "file-list": b'[{"text": "What is 1 and 2?"}, {"text": "The answer is 3."}]',
    "file-list-cut-off": b'[{"text": "What is 1 and 2?"}, {"text": "The ans',
    "file-byte-order-mark": b"\xef\xbb\xbf" + b'{"text": "What is 1 and 2?"}\n' * ROWS,
    "file-windows-lines": b'{"text": "What is 1 and 2?"}\r\n' * ROWS,
    "file-latin": b'{"text": "Gr\xf6\xdfe"}\n' * ROWS,
    "file-utf-16": '{"text": "What is 1 and 2?"}\n'.encode("utf-16") * 4,
    "file-columns": b'{"text": ["What is 1?", "What is 2?", "What is 3?"]}',
}
SHAPES = {**TEXT, **CHAT, **COMPLETION, **PREFERENCE}


def strategy_of(name: str) -> str:
    """The strategy that suits a shape as far as its author can see."""
    return "chat" if name in CHAT or "chat" in name else "standard"


def method_of(name: str) -> str:
    return "dpo" if name in PREFERENCE else "sft"
