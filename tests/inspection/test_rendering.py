"""One conversation as the playground shows it: exact text and tokens, or what is refused and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models_catalog.inspection import rendering, sandbox
from models_catalog.inspection.rendering import NOTHING, render

from .small_tokenizers import CHATML, make_tokenizer, published

TALK = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Ahoy"},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Ahoy"},
]
OWN_TAGS = CHATML.replace(
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}",
    "{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] }}"
    "<|im_end|>{% endgeneration %}{% else %}{{ m['content'] }}<|im_end|>{% endif %}{{ '\n' }}",
)


def shown(folder: Path, messages: Any = TALK, **options: Any) -> dict[str, Any]:
    answer = render(str(folder), messages, **options)
    assert answer.keys() == {*NOTHING, "seconds"}
    return answer


def texts(answer: dict[str, Any], turn: int) -> str:
    return "".join(token["text"] for token in answer["tokens"] if token["turn"] == turn)


def test_the_text_and_its_tokens_are_exact(tmp_path: Path) -> None:
    answer = shown(make_tokenizer(tmp_path, CHATML), TALK[:2], add_generation_prompt=True)
    assert answer["text"] == (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )
    assert "".join(token["text"] for token in answer["tokens"]) == answer["text"]
    assert [token["text"] for token in answer["tokens"] if token["special"]] == ["<|im_start|>", "<|im_end|>"] * 2 + [
        "<|im_start|>"
    ]
    assert answer["count"] == len(answer["tokens"])


def test_a_character_of_several_tokens_is_shown_once(tmp_path: Path) -> None:
    answer = shown(make_tokenizer(tmp_path, CHATML), [{"role": "user", "content": "naïve 🦜"}])
    assert "" in [token["text"] for token in answer["tokens"]]
    assert "".join(token["text"] for token in answer["tokens"]) == answer["text"]


@pytest.mark.parametrize("template", [CHATML, published("qwen3"), published("phi3"), published("llama3")])
def test_each_token_belongs_to_its_turn(tmp_path: Path, template: str) -> None:
    special = ("<|im_start|>", "<|im_end|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>", "<|eot_id|>")
    answer = shown(make_tokenizer(tmp_path, template, special=special))
    for number, message in enumerate(TALK, start=1):
        mine = texts(answer, number)
        assert message["content"] in mine
        assert message["role"] in mine
        assert mine.rstrip("\n").endswith(("<|im_end|>", "<|end|>", "<|eot_id|>", "</s>"))


def test_a_content_that_is_not_found_leaves_turns_open(tmp_path: Path) -> None:
    answer = shown(make_tokenizer(tmp_path, "{% for m in messages %}{{ m['content'] | upper }}{% endfor %}"))
    assert {token["turn"] for token in answer["tokens"]} == {0}


def test_tags_tell_what_a_loss_on_answers_alone_covers(tmp_path: Path) -> None:
    answer = shown(make_tokenizer(tmp_path, OWN_TAGS))
    covered = "".join(token["text"] for token in answer["tokens"] if token["trained"])
    assert (answer["assistant_only"], covered) == ("own", "Ahoy<|im_end|>" * 2)


def test_a_template_that_can_be_patched_tells_it_too(tmp_path: Path) -> None:
    answer = shown(make_tokenizer(tmp_path, published("qwen2_5")))
    assert answer["assistant_only"] == "patch"
    assert "Ahoy" in "".join(token["text"] for token in answer["tokens"] if token["trained"])


def test_without_tags_it_cannot_be_told(tmp_path: Path) -> None:
    answer = shown(make_tokenizer(tmp_path, CHATML))
    assert answer["assistant_only"] == "none"
    assert {token["trained"] for token in answer["tokens"]} == {None}


def test_a_refusal_names_its_turn_in_the_templates_own_words(tmp_path: Path) -> None:
    answer = shown(make_tokenizer(tmp_path, published("gemma")), [*TALK[1:3], TALK[2]])
    assert answer["turn"] == 3
    assert answer["words"].startswith("Conversation roles must alternate")
    assert answer["problem"].startswith("The chat template refuses turn 3 (assistant): Conversation roles")


def test_tools_are_written(tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "sails", "description": "Set them.", "parameters": {}}}
    assert "Set them." in shown(make_tokenizer(tmp_path, published("qwen3")), tools=[tool])["text"]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (None, "has no chat template"),
        ("{{ m }", "cannot be read"),
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "was stopped"),
        ("{{ 'a' * 10 ** 10 }}", "was stopped"),
        ("{{ messages[9].content.upper() }}", "refuses turn"),
    ],
)
def test_what_cannot_be_rendered_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str | None, said: str
) -> None:
    monkeypatch.setattr(sandbox, "SECONDS", 0.3)
    answer = shown(make_tokenizer(tmp_path, template))
    assert said in answer["problem"]
    assert (answer["text"], answer["tokens"]) == ("", [])


def test_no_turns_and_no_tokenizer_are_said_too(tmp_path: Path) -> None:
    assert "no turn" in shown(make_tokenizer(tmp_path, CHATML), [])["problem"]
    (tmp_path / "tokenizer.json").write_text("{}")
    assert "cannot be loaded" in shown(tmp_path)["problem"]


def test_what_is_beyond_the_length_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "MOST_TOKENS", 10)
    answer = shown(make_tokenizer(tmp_path, CHATML), max_length=20)
    assert len(answer["tokens"]) == 10
    assert [f"of the {answer['count']} tokens lie beyond the 20" in answer["notes"][0], len(answer["notes"])] == [
        True,
        2,
    ]
