"""What chat templates do with conversations, as found by rendering some."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datasets_app.reading.shapes import SHAPES as COUNTED
from jobs.rulebook.rules.template import SHAPES as WORDED
from jobs.rulebook.vocabulary import FACTS, Source
from models_catalog.inspection import sandbox
from models_catalog.inspection.part import Part
from models_catalog.inspection.probes import SHAPES as PROBED
from models_catalog.inspection.templates import look_at_template

from .small_tokenizers import CHATML, make_tokenizer, published

LOOP = "{% for m in messages %}"
TURN = "{{ m['role'] }}: {{ m['content'] }}\n"
ENDS = ("<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "<｜end▁of▁sentence｜>", "<|return|>",
        "<|END_OF_TURN_TOKEN|>", "<|user|>")  # fmt: skip


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sandbox, "SECONDS", 0.3)

    def look_at(template: Any, **options: Any) -> Part:
        return look_at_template(make_tokenizer(tmp_path, template, **options))

    return look_at


def test_kinds_of_rows_have_one_name_wherever_they_are_counted_probed_and_worded() -> None:
    assert set(COUNTED) == set(PROBED) == set(WORDED)


def test_every_fact_has_a_name_that_rules_know(look: Any) -> None:
    facts = look(CHATML).facts
    assert {FACTS[name].source for name in facts} == {Source.MODEL}
    assert len(facts) == 16


def test_a_model_without_a_template_does_not_chat(look: Any) -> None:
    assert look(None).facts["supports_chat"] is False


ORDER = {"two-users", "two-assistants", "starts-with-assistant"}
LINES: dict[str, dict[str, Any]] = {
    "gemma": {"refuses": {"system", "tool"}, "refuses_shapes": ORDER, "alternates": True, "other": "kept",
              "missing": "kept", "parts": "printed", "tags": "patch"},
    "gemma3": {"refuses": {"tool"}, "refuses_shapes": ORDER | {"two-systems", "late-system"}, "alternates": True,
               "other": "kept", "missing": "kept", "parts": "kept", "tags": "patch"},
    "llama3": {"other": "kept", "missing": "kept", "parts": "printed", "calls": "dropped", "tags": "patch"},
    "llama3_1": {"other": "kept", "missing": "kept", "parts": "printed", "calls": "kept", "beside": "dropped",
                 "tags": "none", "adds": "Cutting Knowledge Date"},
    "llama3_2": {"other": "kept", "missing": "kept", "parts": "printed", "beside": "dropped", "tags": "none",
                 "adds": "Today Date", "dates": True},
    "phi3": {"drops": {"tool"}, "other": "dropped", "missing": "refused", "parts": "refused", "tags": "patch"},
    "phi3_5": {"drops": {"tool"}, "other": "dropped", "missing": "refused", "parts": "refused", "tags": "patch"},
    "qwen2_5": {"other": "dropped", "missing": "refused", "parts": "refused", "calls": "kept", "tags": "patch",
                "adds": "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."},
    "qwen3": {"drops_shapes": {"reasoning-early"}, "other": "dropped", "missing": "kept", "parts": "dropped",
              "calls": "kept", "tags": "patch", "to_answer": "<think>\n\n</think>\n\n"},
    "qwen3_instruct_2507": {"other": "dropped", "missing": "kept", "parts": "dropped", "tags": "patch"},
    "qwen3_5_think": {"refuses_shapes": {"two-systems", "late-system", "no-user"}, "drops_shapes": {"reasoning-early"},
                      "other": "refused", "missing": "kept", "parts": "kept", "tags": "patch",
                      "to_answer": "\n</think>\n\n"},
    "deepseekv3": {"drops_shapes": {"reasoning-early", "reasoning-last"}, "other": "dropped", "missing": "refused",
                   "parts": "refused", "tags": "patch", "cut": "<think>\n"},
    "deepseek_r1_distill": {"drops_shapes": {"reasoning-early", "reasoning-last", "two-systems"}, "other": "dropped",
                            "missing": "refused", "parts": "refused", "tags": "patch", "cut": "<think>\n"},
    "gptoss": {"refuses": {"tool"}, "drops_shapes": {"two-systems", "late-system"}, "other": "dropped",
               "missing": "refused", "parts": "refused", "beside": "dropped", "tags": "patch", "dates": True,
               "adds": "You are ChatGPT", "to_answer": "<|channel|>final<|message|>"},
    "glm4moe": {"drops_shapes": {"reasoning-early"}, "other": "dropped", "missing": "kept", "parts": "kept",
                "tags": "patch", "to_answer": "\n<think></think>\n", "ends": False},
    "cohere": {"refuses": {"tool"}, "refuses_shapes": ORDER | {"two-systems", "late-system"}, "alternates": True,
               "other": "dropped", "missing": "refused", "parts": "refused", "tags": "patch"},
    "lfm2_2_5": {"drops_shapes": {"reasoning-early"}, "other": "kept", "missing": "kept", "parts": "kept",
                 "tags": "own"},
}  # fmt: skip
"""The lines of FACTS.md, section 4; what is not named is none, kept or empty."""


@pytest.mark.parametrize("line", LINES)
def test_published_templates_do_what_was_measured(look: Any, line: str) -> None:
    part, told = look(published(line), special=ENDS), LINES[line]
    facts, shown = part.facts, part.shown
    assert facts["template_problem"] == ""
    assert set(facts["template_refuses"]) == told.get("refuses", set())
    assert set(facts["template_drops"]) == told.get("drops", set())
    assert set(facts["template_refuses_shapes"]) == told.get("refuses_shapes", set())
    assert set(facts["template_drops_shapes"]) == told.get("drops_shapes", set())
    assert facts["template_alternates"] is told.get("alternates", False)
    assert facts["template_ends"] is told.get("ends", True)
    assert facts["template_prompt_cut"] == told.get("cut", "")
    assert facts["template_adds_to_answer"] == told.get("to_answer", "")
    assert told.get("adds", "") in facts["template_adds_system"]
    assert bool(facts["template_adds_system"]) is ("adds" in told)
    assert shown["roles"]["other"]["outcome"] == told["other"]
    assert shown["contents"]["missing-answer"]["outcome"] == told["missing"]
    assert shown["contents"]["parts-answer"]["outcome"] == told["parts"]
    assert shown["tools"]["calls"]["outcome"] == told.get("calls", shown["tools"]["calls"]["outcome"])
    assert shown["tools"]["text_beside_call"]["outcome"] == told.get(
        "beside", shown["tools"]["text_beside_call"]["outcome"]
    )
    assert shown["dates"] is told.get("dates", False)
    assert shown["generation_tags"] == told["tags"]


def test_what_asks_for_an_answer_begins_with_whole_markup(look: Any) -> None:
    assert look(published("phi3")).shown["generation_prompt"] == "<|assistant|>\n"  # not behind the <| of <|end|>
    assert look(published("qwen3")).shown["generation_prompt"] == "<|im_start|>assistant\n"


def test_a_template_says_in_its_own_words_what_it_refuses(look: Any) -> None:
    words = look(published("gemma")).facts["template_words"]
    assert words["system"] == "System role not supported"
    assert words["two-users"].startswith("Conversation roles must alternate")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (LOOP + "{{ m }", "TemplateSyntaxError"),
        (LOOP, "TemplateSyntaxError"),
        ("{{ " + "(" * 10_000 + "1", "RecursionError"),
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "does not end within"),
        ("{% for a in range(10 ** 9) %}{% endfor %}", "OverflowError"),
        ("{{ 10 ** (10 ** 9) }}", "does not end within"),
        ("{{ 'a' * 10 ** 9 }}", "more than 512 MB of memory"),
        ("{{ 'a' * 10 ** 7 }}", "writes more than 256 kB"),
        ("{% macro more() %}{{ more() }}{% endmacro %}{{ more() }}", "RecursionError"),
        ("{{ messages.__class__.__mro__ }}{{ ''.__class__.__mro__[1].__subclasses__() }}", "SecurityError"),
        ("{{ raise_exception('not today') }}", "not today"),
        ("Hello!", "leaves out what is said"),
        (LOOP + "{% for p in m['content'] %}{{ p['text'] }}{% endfor %}{% endfor %}", "as lists of parts"),
    ],
)
def test_a_template_that_can_be_used_for_nothing_says_why(look: Any, template: str, said: str) -> None:
    part = look(template)
    assert said in part.facts["template_problem"]
    assert part.facts["supports_chat"] is True


def test_one_that_hangs_on_some_rows_is_used_for_the_others(look: Any) -> None:
    hang = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    facts = look(LOOP + "{% if m['role'] == 'tool' %}" + hang + "{% endif %}" + TURN + "{% endfor %}").facts
    assert facts["template_problem"] == ""
    assert facts["template_refuses"] == ["tool"]
    assert "does not end" in facts["template_words"]["tool"]


def test_a_huge_template_is_looked_at_too(look: Any) -> None:
    assert look("{# " + "x" * 2_000_000 + " #}" + CHATML).facts["template_problem"] == ""


def test_several_templates_need_a_default(look: Any) -> None:
    assert look({"default": CHATML, "tool_use": "{{ tools }}"}).facts["template_problem"] == ""


def test_several_without_a_default_are_a_problem(look: Any) -> None:
    problem = look({"rag": CHATML, "tool_use": CHATML}).facts["template_problem"]
    assert problem == "it has several, rag, tool_use, and none is called default"


@pytest.mark.parametrize(
    ("eos", "generation", "end", "ends"),
    [
        ("</s>", None, "<|im_end|>", True),
        ("</s>", {"eos_token_id": 2}, "<|im_end|>", True),
        ("</s>", {"eos_token_id": [2, 4]}, "", True),
        ("</s>", {"eos_token_id": 4}, "", True),
        ("<|im_end|>", None, "", True),
        (None, None, "<|im_end|>", True),
    ],
)
def test_a_turn_must_end_where_the_model_stops(look: Any, eos: Any, generation: Any, end: str, ends: bool) -> None:
    facts = look(CHATML, eos_token=eos, generation=generation).facts
    assert (facts["template_end"], facts["template_ends"]) == (end, ends)


def test_an_end_that_is_no_token_ends_nothing(look: Any) -> None:
    facts = look(CHATML, special=()).facts
    assert (facts["template_end"], facts["template_ends"]) == ("", False)


def test_an_end_behind_the_templates_own_is_enough(look: Any) -> None:
    assert look(CHATML + "{{ eos_token }}").facts["template_end"] == ""


def test_tokens_without_a_row_in_the_embedding_are_named(look: Any) -> None:
    assert look(CHATML, rows=4).facts["template_tokens_beyond"] == ["<|im_end|>"]


def test_those_with_a_row_are_not(look: Any) -> None:
    assert look(CHATML).facts["template_tokens_beyond"] == []


def test_what_is_said_before_the_last_exchange_may_be_lost(look: Any) -> None:
    facts = look("{% for m in messages[-2:] %}" + TURN + "{% endfor %}").facts
    assert "many-exchanges" in facts["template_drops_shapes"]
    assert facts["template_drops"] == ["system"]


STRICT = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    + LOOP
    + "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}"
    + TURN
    + "{% endfor %}"
)
TWO_ROLES = (
    LOOP
    + "{% if m.role == 'user' %}U{% elif m.role == 'assistant' %}A{% endif %}{% if m.role in ('user', "
    + ("'assistant') %}{{ m.content }}{% endif %}{% endfor %}")
)


@pytest.mark.parametrize(
    ("template", "refuses", "drops", "alternates"),
    [
        (CHATML, [], [], False),
        (STRICT, ["system", "tool"], [], True),
        (TWO_ROLES, [], ["system", "tool"], False),
        (TWO_ROLES.replace("('user', 'assistant')", "('user', 'assistant', 'system')"), [], ["tool"], False),
        (LOOP + "{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}", [], [], False),
    ],
)
def test_what_becomes_of_roles(
    look: Any, template: str, refuses: list[str], drops: list[str], alternates: bool
) -> None:
    facts = look(template).facts
    assert (facts["template_refuses"], facts["template_drops"]) == (refuses, drops)
    assert facts["template_alternates"] is alternates


def test_the_template_in_a_file_of_its_own_beats_the_other(tmp_path: Path) -> None:
    folder = make_tokenizer(tmp_path, CHATML)
    (folder / "chat_template.jinja").write_text(TWO_ROLES)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": CHATML}))
    assert look_at_template(folder).facts["template_drops"] == ["system", "tool"]


def test_the_fates_of_tools_are_facts(look: Any) -> None:
    told = look(CHATML).facts["template_tools"]
    assert (told["schema"], told["calls"], told["answers"]) == ("dropped", "dropped", "kept")


def test_a_template_that_takes_arguments_as_text_only_is_told_apart(look: Any) -> None:
    calls = "{% for call in message.tool_calls or [] %}{{ call.function.name + call.function.arguments }}{% endfor %}"
    template = "{% for message in messages %}{{ message.role }}: {{ message.content }}" + calls + "\n{% endfor %}"
    assert look(template).facts["template_tools"]["calls"] == "as-text"


@pytest.mark.parametrize(
    ("line", "fate"), [("qwen3", "last"), ("qwen3_training", "kept"), ("llama3", "dropped"), ("gptoss", "last")]
)
def test_what_becomes_of_reasoning_in_its_own_key_is_a_fact(look: Any, line: str, fate: str) -> None:
    assert look(published(line)).facts["template_reasoning"] == fate
