"""The sandbox in which chat templates run, as transformers has it, but quicker at what they do most."""

from __future__ import annotations

from functools import lru_cache
from types import BuiltinMethodType
from typing import Any

from jinja2 import Template
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from transformers.utils.chat_template_utils import _compile_jinja_template

_OF_DICTS = frozenset(dir(dict))
_WRAPPED = ("format", "format_map")
"""Methods of text in whose place the sandbox hands out its own."""


@lru_cache(maxsize=16)
def compiled(template: str) -> Template:
    """Raises `jinja2.TemplateError`. Writes what the same template writes that transformers compiles."""
    theirs = _compile_jinja_template(template).environment
    ours = QuickSandbox(
        trim_blocks=theirs.trim_blocks,
        lstrip_blocks=theirs.lstrip_blocks,
        extensions=[type(extension) for extension in theirs.extensions.values()],
    )
    ours.filters, ours.tests, ours.globals = theirs.filters, theirs.tests, theirs.globals
    made = ours.from_string(template)
    made.globals = dict(made.globals)  # a chain of dicts takes as long to go through as a short template
    return made


class QuickSandbox(ImmutableSandboxedEnvironment):
    """Nothing is allowed that jinja's own sandbox refuses: only the way to the same answer is shorter.

    Whether an attribute is safe depends on the kind of the value and on its name, so it is found out once for each.
    A key of a dict that no method is named like need not be looked for as an attribute first, and a method of a value
    that is built in never asks for the template's context.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._safe: dict[tuple[type, str], bool] = {}

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        known = self._safe.get((type(obj), attr))
        if known is None:
            known = self._safe[type(obj), attr] = super().is_safe_attribute(obj, attr, value)
        return known

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is dict and attribute not in _OF_DICTS:
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        if type(obj) is str and attribute not in _WRAPPED and self._safe.get((str, attribute)):
            return getattr(obj, attribute)
        return super().getattr(obj, attribute)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as jinja names them
        if type(__obj) is not BuiltinMethodType or not __self.is_safe_callable(__obj):
            return super().call(__context, __obj, *args, **kwargs)
        kwargs.pop("_block_vars", None)
        kwargs.pop("_loop_vars", None)
        return __obj(*args, **kwargs)
