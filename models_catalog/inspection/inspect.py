"""Everything that the small files of a model tell, in one document."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from .part import Part
from .templates import look_at_template
from .tokenizer import look_at_tokenizer
from .tree import look_at_tree
from .versions import libraries

VERSION = 1
LOOKS: Mapping[str, Callable[[Path], Part]] = {
    "tree": look_at_tree,
    "tokenizer": look_at_tokenizer,
    "template": look_at_template,
}


def inspect_folder(folder: str, parts: Iterable[str] = tuple(LOOKS)) -> dict[str, Any]:
    """Look at config.json, tokenizer and chat template of a folder; weights and other people's code are left alone.

    `facts` are named as in the rulebook's vocabulary. A part that fails leaves a problem, and the others stand.
    """
    began = time.perf_counter()
    seen = {name: _look(name, Path(folder)) for name in parts}
    facts = {name: value for part in seen.values() for name, value in part.facts.items()}
    return {
        "version": VERSION,
        "libraries": libraries(),
        "seconds": round(time.perf_counter() - began, 3),
        "facts": facts,
        **{name: part.shown for name, part in seen.items()},
        "problems": [problem for part in seen.values() for problem in part.problems],
    }


def _look(name: str, folder: Path) -> Part:
    try:
        return LOOKS[name](folder)
    except Exception as error:
        traceback.print_exc()  # to the log of the task
        return Part(problems=[{"code": f"{name}-failed", "message": f"{type(error).__name__}: {error}"}])
