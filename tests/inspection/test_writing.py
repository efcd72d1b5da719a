"""Conversations written as text, to be trained without the template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models_catalog.inspection.writing import render_all

from .small_tokenizers import make_tokenizer

CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy"}]
STRICT = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools') }}{% endif %}"
    "{{ m.content }}{% endfor %}{{ eos_token }}\n"
)


def told(folder: Path, *chats: Any) -> Any:
    return render_all(str(folder), [{"messages": chat} for chat in chats])


def test_training_adds_no_second_beginning_and_no_second_end(tmp_path: Path) -> None:
    folder = make_tokenizer(tmp_path, STRICT, starts=True)
    assert told(folder, CHAT) == {"problem": "", "texts": [["HiAhoy</s>", ""]]}


def test_a_beginning_that_training_does_not_add_stays(tmp_path: Path) -> None:
    assert told(make_tokenizer(tmp_path, STRICT), CHAT)["texts"] == [["<s>HiAhoy</s>", ""]]


def test_a_refused_conversation_does_not_stop_the_others(tmp_path: Path) -> None:
    folder = make_tokenizer(tmp_path, STRICT)
    texts = told(folder, [{"role": "tool", "content": "x"}], CHAT)["texts"]
    assert texts == [["", "no tools"], ["<s>HiAhoy</s>", ""]]


def test_tools_are_handed_to_the_template(tmp_path: Path) -> None:
    folder = make_tokenizer(tmp_path, "{{ tools[0].function.name }}")
    tools = [{"type": "function", "function": {"name": "look"}}]
    assert render_all(str(folder), [{"messages": CHAT, "tools": tools}])["texts"] == [["look", ""]]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (None, "no chat template"),
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "stopped"),
    ],
)
def test_what_cannot_be_used_at_all_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: Any, words: str
) -> None:
    monkeypatch.setattr("models_catalog.inspection.sandbox.SECONDS", 0.3)
    assert words in told(make_tokenizer(tmp_path, template), CHAT)["problem"]
