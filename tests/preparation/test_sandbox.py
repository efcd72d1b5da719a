"""Templates write in our sandbox what they write in transformers', and are refused the same."""

from __future__ import annotations

from typing import Any

import pytest
from jinja2 import TemplateError
from transformers.utils.chat_template_utils import _compile_jinja_template

from jobs.preparation.sandbox import compiled
from tests.inspection.small_tokenizers import published

TURNS = [
    {"role": "user", "content": "Two <b>and</b> two?"},
    {"role": "assistant", "content": " It is four.\n", "items": "a key that a method is named like"},
]
EXPRESSIONS = (
    "messages[0].content", "messages[0].items", "messages[1].items", "messages[1]['items']", "messages[0].none",
    "messages[0]['none'] is defined", "messages[0].none.deeper", "messages[0].get('role', 'x')", "messages | tojson",
    "messages[1].content.strip().upper()", "messages[1].content.split('is')[-1].lstrip()", "'{0.__class__}'.format(1)",
    "'%s' | format('x')", "'{}'.format(messages[0].role)", "'{a}'.format_map({'a': 1})", "messages[0].__class__",
    "''.__class__.__mro__", "messages.append(1)", "messages[0].update({'role': 'x'})", "messages[0].pop('role')",
    "messages[::-1][0].role", "namespace(a=1).a", "namespace(a=1).__class__", "namespace(a='').a.upper()",
    "raise_exception('No.')", "range(3) | list", "range(1000000)", "dict(a=1).a", "dict(a=1).keys() | list",
    "messages[0].content.nothing", "messages[0].content.encode", "none.x", "cycler('a', 'b').next()",
    "messages[1].content.join(['a', 'b'])", "(messages | map(attribute='role') | list)[1]", "undefined_name.role",
    "eos", "documents is none", "messages[0].content.format.__globals__", "strftime_now('%Y')[:2]", "iter(1)",
)  # fmt: skip
LOOP = "{% for m in messages %}{{ loop.index0 }}{{ loop.last }}{{ (loop.previtem or {}).role }}{{ m.role }}{% endfor %}"
MACRO = "{% macro said(m) %}<{{ m.role }}>{{ caller() if caller }}{% endmacro %}{{ said(messages[0]) }}"
BREAK = "{% for m in messages %}{% if m.role == 'assistant' %}{% break %}{% endif %}{{ m.role }}{% endfor %}"
CYCLE = "{% for m in messages %}{{ loop.cycle('a', 'b') }}{{ loop.changed(m.role) }}{% endfor %}"


def said(template: Any) -> str:
    try:
        return str(template.render(messages=TURNS, tools=None, documents=None, add_generation_prompt=True, eos="</s>"))
    except (TemplateError, TypeError, ValueError, AttributeError, OverflowError) as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("written", [*(f"{{{{ {each} }}}}" for each in EXPRESSIONS), LOOP, MACRO, BREAK, CYCLE])
def test_every_expression_says_what_it_says_in_transformers(written: str) -> None:
    for _ in range(2):  # the second time what is safe is known
        assert said(compiled(written)) == said(_compile_jinja_template(written))


def test_what_is_unsafe_is_refused() -> None:
    for written in ("{{ ''.__class__.__mro__ }}", "{{ messages.append(1) }}", "{{ '{0.__class__.x}'.format(1) }}"):
        assert said(compiled(written)).startswith("SecurityError: access to attribute"), written


@pytest.mark.parametrize("line", ["gemma3", "llama3_1", "qwen3", "qwen3_training", "gptoss", "deepseekv3"])
def test_published_templates_write_the_same(line: str) -> None:
    assert said(compiled(published(line))) == said(_compile_jinja_template(published(line))) != ""
