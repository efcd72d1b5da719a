"""What a model's chat template does with conversations, found by rendering some: really, and in a sandbox."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase
from trl.chat_template_utils import get_training_chat_template, has_generation_markers

from jobs.preparation.calls import wants_text

from . import sandbox
from .part import Part
from .probes import BASE, CALL_MARKS, CONTENTS, PROBES, SHAPES, Probe
from .sandbox import Result
from .tokenizer import MOST_NAMED, CannotLoad, embedding_rows, load_tokenizer, stop_tokens

LONGEST = 256 * 1024
"""Bytes that a template may write for a conversation of four short turns; the longest of published ones writes 2 kB."""
STOPPED = {
    "time": f"it does not end within {sandbox.SECONDS:g} s",
    "memory": f"it takes more than {sandbox.MEMORY // 2**20} MB of memory",
    "length": f"it writes more than {LONGEST // 2**10} kB for a few short turns",
    "crash": "the process that rendered it broke down",
}
ROLES = {"system": "system", "user": "plain", "assistant": "plain", "tool": "tool"}
"""For each role of the rows, the probe that shows what becomes of it."""
SHAPES_OF_ROLES = {
    "two-systems": "system", "late-system": "system", "empty-system": "system", "no-user": "system",
    "empty-tool": "tool",
}  # fmt: skip
IN_ORDER = frozenset({"two-users", "two-assistants", "starts-with-assistant"})
"""What a template refuses that wants users and assistants to take turns."""
FEWEST_WORDS = 4
"""So many words before the first turn are a text of the template's own, and no mere heading."""
NO_TEMPLATE: Mapping[str, Any] = {
    "supports_chat": False,
    "template_problem": "",
    "template_refuses": [],
    "template_drops": [],
    "template_refuses_shapes": [],
    "template_drops_shapes": [],
    "template_words": {},
    "template_alternates": False,
    "template_end": "",
    "template_ends": True,
    "template_prompt_cut": "",
    "template_adds_system": "",
    "template_adds_to_answer": "",
    "template_tokens_beyond": [],
}


def look_at_template(folder: Path) -> Part:
    try:
        tokenizer = load_tokenizer(folder)
    except CannotLoad:  # said by the look at the tokenizer
        return Part()
    if not tokenizer.chat_template:
        return Part(dict(NO_TEMPLATE), {"present": False})
    return _described(tokenizer, stop_tokens(folder, tokenizer), embedding_rows(folder))


def _described(tokenizer: PreTrainedTokenizerBase, stops: Sequence[int], rows: int | None) -> Part:
    seen = Renderings.of(tokenizer)
    facts = {**NO_TEMPLATE, "supports_chat": True, "template_problem": _problem(tokenizer, seen)}
    shown: dict[str, Any] = {"present": True, "names": _names(tokenizer), "problem": facts["template_problem"]}
    problems = [{"code": "template-unfinished", "message": _unfinished(seen)}] if seen.untried else []
    if facts["template_problem"]:
        return Part(facts, shown, problems)
    end = _End.of(tokenizer, seen, stops)
    facts |= {
        "template_refuses": [role for role, probe in ROLES.items() if seen.refuses(probe)],
        "template_drops": [role for role in ROLES if _drops_role(seen, role)],
        "template_refuses_shapes": sorted(_shapes(seen, Renderings.refuses)),
        "template_drops_shapes": sorted(_shapes(seen, Renderings.drops)),
        "template_words": dict(_words(seen)),
        "template_alternates": all(map(seen.refuses, IN_ORDER)),
        "template_end": "" if end.stops else end.token,
        "template_ends": bool(end.token),
        "template_prompt_cut": _prompt_cut(seen),
        "template_adds_system": _added_system(tokenizer, seen),
        "template_adds_to_answer": _added_to_answer(seen),
        "template_tools": _tool_fates(seen),
        "template_reasoning": _reasoning_fate(seen),
    }
    if rows is not None:
        facts["template_tokens_beyond"] = _beyond(tokenizer, seen, rows)
    return Part(facts, shown | _shown(seen, end, facts), problems)


@dataclass(frozen=True)
class Renderings:
    """What came of every probe, by its name, and how TRL would mark the assistant's tokens."""

    results: Mapping[str, Result]
    tags: str

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> Renderings:
        """Several probes hold the same conversation; it is rendered once."""
        pieces: dict[str, sandbox.Piece] = {}
        for probe in PROBES.values():
            pieces.setdefault(repr(probe), partial(_rendered, tokenizer, probe))
        results = sandbox.run([*pieces.values(), partial(_tags, tokenizer)], seconds=sandbox.SECONDS, largest=LONGEST)
        by_probe = dict(zip(pieces, results, strict=False))
        return cls({name: by_probe[repr(probe)] for name, probe in PROBES.items()}, results[-1].value or "none")

    def text(self, name: str) -> str:
        """Empty where nothing came out."""
        value = self.results[name].value
        return value if isinstance(value, str) else ""

    def refuses(self, name: str) -> bool:
        return not self.results[name].ok and self.results[name].stopped != "untried"

    def drops(self, name: str) -> bool:
        """Something of a conversation that it renders is lost: more than what its roles lose anyway."""
        return self.results[name].ok and bool(self.missing(name) - self.never_rendered)

    def missing(self, name: str) -> set[str]:
        return {mark for mark in PROBES[name].marks if mark not in self.text(name)}

    @cached_property
    def never_rendered(self) -> set[str]:
        lost = [self.missing(name) if self.results[name].ok else set() for name in ("system", "tool")]
        return {mark for mark in set().union(*lost) if "System" in mark or "Tool" in mark}

    @property
    def untried(self) -> list[str]:
        return [name for name, result in self.results.items() if result.stopped == "untried"]


def _rendered(tokenizer: PreTrainedTokenizerBase, probe: Probe) -> Any:
    """As TRL has it rendered, up to the tokens."""
    tools: Any = probe.tools
    return tokenizer.apply_chat_template(
        list(probe.messages), tools=tools, tokenize=False, add_generation_prompt=probe.waits
    )


def _tags(tokenizer: PreTrainedTokenizerBase) -> str:
    """How the assistant's tokens can be told apart: by tags of its `own`, by a `patch` of TRL's, or not (`none`)."""
    if has_generation_markers(tokenizer.chat_template):
        return "own"
    try:
        return "patch" if get_training_chat_template(tokenizer) else "none"
    except ValueError:
        return "none"


def _problem(tokenizer: PreTrainedTokenizerBase, seen: Renderings) -> str:
    """Why it can be used for no conversation at all."""
    named = tokenizer.chat_template
    if isinstance(named, dict) and "default" not in named:
        return f"it has several, {', '.join(sorted(named))}, and none is called default"
    tried = [seen.results[name] for name in ("plain", "system", "many-exchanges")]
    if not any(result.ok for result in tried):
        return failure(tried[0])
    if all({"MarkUserOne", "MarkAnswerOne"} & seen.missing(name) for name in ("plain", "system")):
        wants_parts = not {"MarkUserOne"} & seen.missing("parts-user")
        return "it leaves out what is said" + (", because it expects contents as lists of parts" if wants_parts else "")
    return ""


def failure(result: Result) -> str:
    """Why nothing came out, in its own words where it has any."""
    if result.stopped:
        return STOPPED.get(result.stopped, "it was not tried")
    return f"{result.error}: {_one_line(result.words)}" if result.error != "TemplateError" else _one_line(result.words)


def _one_line(words: str, most: int = 300) -> str:
    line = " ".join(words.split()).rstrip(".")
    return line if len(line) <= most else f"{line[:most]}…"


def _unfinished(seen: Renderings) -> str:
    return (
        f"The chat template was stopped too often; {len(seen.untried)} of {len(PROBES)} conversations were not tried."
    )


def _names(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    named: Any = tokenizer.chat_template
    return sorted(named) if isinstance(named, dict) else []


def _drops_role(seen: Renderings, role: str) -> bool:
    name = ROLES[role]
    return seen.results[name].ok and any(role_of(mark) == role for mark in seen.missing(name))


def role_of(mark: str) -> str:
    """`assistant` of MarkAnswerOne."""
    said = mark.removeprefix("Mark").removesuffix("One").removesuffix("Two").lower()
    return "assistant" if said == "answer" else said


def _shapes(seen: Renderings, what: Any) -> Iterator[str]:
    """Kinds of rows that are refused or lose something, apart from those whose roles are refused or lost anyway."""
    for shape in SHAPES:
        role = SHAPES_OF_ROLES.get(shape, "")
        if role and (seen.refuses(ROLES[role]) or _drops_role(seen, role)):
            continue
        if shape == "no-user" and what(seen, "starts-with-assistant"):
            continue
        if what(seen, shape):
            yield shape


def _words(seen: Renderings) -> Iterator[tuple[str, str]]:
    """What it says to the roles and kinds of rows that it refuses."""
    for name, probe in {**ROLES, **{shape: shape for shape in SHAPES}}.items():
        if seen.refuses(probe):
            yield name, failure(seen.results[probe])


@dataclass(frozen=True)
class _End:
    """What stands after the last answer: the first token of its kind, and whether generation stops at any."""

    text: str = ""
    token: str = ""
    stops: bool = False

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, seen: Renderings, stops: Sequence[int]) -> _End:
        text = next(filter(None, map(seen.text, ("plain", "system", "many-exchanges"))))
        after = text[max(text.rfind(mark) + len(mark) for mark in ("MarkAnswerOne", "MarkAnswerTwo") if mark in text) :]
        ids = tokenizer(after, add_special_tokens=False)["input_ids"] if after else []
        stopping = [number for number in ids if number in stops]
        ending = stopping or [number for number in ids if number in tokenizer.added_tokens_decoder]
        token = str(tokenizer.convert_ids_to_tokens(ending[0])) if ending else ""
        return cls(after, token, bool(stopping))


def _prompt_cut(seen: Renderings) -> str:
    """What a prompt ends with that the same conversation, once it is answered, does not hold."""
    for prompt, whole in (("prompt", "plain"), ("system-prompt", "system"), ("second-prompt", "many-exchanges")):
        asked, answered = seen.text(prompt), seen.text(whole)
        if asked and answered and not answered.startswith(asked):
            return asked[common_length(asked, answered) :]
    return ""


def common_length(one: str, other: str) -> int:
    """How many characters two texts share at their beginning, not counting markup that has only begun (`<|`)."""
    pairs = enumerate(zip(one, other, strict=False))
    shared = next((at for at, (mine, yours) in pairs if mine != yours), min(len(one), len(other)))
    begun = _BEGUN.search(one, 0, shared) if shared < len(one) else None
    return begun.start() if begun else shared


_BEGUN = re.compile(r"<[^\w\s>]?\Z")


def _added_system(tokenizer: PreTrainedTokenizerBase, seen: Renderings) -> str:
    """The text that it puts before a conversation that has no system turn of its own."""
    plain, system = seen.text("plain"), seen.text("system")
    if not plain:
        return ""
    before, found, after = system.partition("MarkSystemOne")
    if found and plain.startswith(before) and plain.endswith(after) and len(plain) > len(before) + len(after):
        return plain[len(before) : len(plain) - len(after)].strip()
    return _prose(tokenizer, plain[: plain.find("MarkUserOne")])


_MARKUP = re.compile(r"<[^<>\n]{1,40}>|\[/?[A-Z_ ]{1,40}\]")


def _prose(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """What is left of a text without its markup, if it is more than a heading."""
    for token in sorted(map(str, tokenizer.added_tokens_decoder.values()), key=len, reverse=True):
        text = text.replace(token, "\n") if token.strip() else text
    lines = (line.strip() for line in _MARKUP.sub("\n", text).splitlines())
    said = "\n".join(line for line in lines if line and line.lower() not in ("system", "user", "assistant"))
    return said if len(re.findall(r"\w+", said)) >= FEWEST_WORDS else ""


def _added_to_answer(seen: Renderings) -> str:
    """What it puts between the end of the prompt and the answer, which is then trained as part of the answer."""
    prompt, plain = seen.text("prompt"), seen.text("plain")
    return plain[len(prompt) : plain.find("MarkAnswerOne")] if prompt and plain.startswith(prompt) else ""


def _beyond(tokenizer: PreTrainedTokenizerBase, seen: Renderings, rows: int) -> list[str]:
    """Tokens that it writes and the model has no embedding for."""
    written = "".join(seen.text(name) for name in BASE)
    high = {number: str(token) for number, token in tokenizer.added_tokens_decoder.items() if number >= rows}
    return sorted(token for token in high.values() if token in written)[:MOST_NAMED]


def _shown(seen: Renderings, end: _End, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "roles": {role: _fate(seen, probe) for role, probe in {**ROLES, "other": "unknown-role"}.items()},
        "shapes": {name: _fate(seen, name) for name in SHAPES},
        "contents": {name: _fate(seen, name) for name in CONTENTS if name != "unknown-role"},
        "tools": dict(_tools(seen)),
        "default_system": facts["template_adds_system"],
        "dates": str(datetime.now().astimezone().year) in seen.text("plain"),
        "generation_prompt": _generation_prompt(seen),
        "end": {"text": end.text, "token": end.token, "stops": end.stops},
        "generation_tags": seen.tags,
        "prefix_stable": _prefix_stable(seen),
        "example": seen.text("system") or seen.text("many-exchanges") or seen.text("plain"),
    }


def _fate(seen: Renderings, name: str) -> dict[str, Any]:
    """`outcome` is kept, dropped, printed (as Python writes lists), refused or untried."""
    result = seen.results[name]
    if result.stopped == "untried":
        return {"outcome": "untried"}
    if not result.ok:
        return {"outcome": "refused", "words": failure(result)}
    if "{'type'" in seen.text(name) or "'text':" in seen.text(name):
        return {"outcome": "printed"}
    return {"outcome": "dropped" if seen.missing(name) else "kept"}


def _tools(seen: Renderings) -> Iterator[tuple[str, dict[str, Any]]]:
    """Arguments are given as text to a template that does not take them as an object, in training too."""
    call = "call-as-text" if _wants_text(seen) else "call"
    beside = seen.text("call-beside-text")
    kept = seen.results[call].ok and all(mark in seen.text(call) for mark in CALL_MARKS)
    yield "schema", _kept("MarkDescription" in seen.text("tools"), _fate(seen, "tools"))
    yield "calls", _kept(kept, _fate(seen, call))
    yield "answers", _kept("MarkToolOne" in seen.text(call), _fate(seen, call))
    yield "text_beside_call", _kept("MarkAnswerOne" in beside, _fate(seen, "call-beside-text"))


def _tool_fates(seen: Renderings) -> dict[str, str]:
    """Calls fare `as-text` where their arguments must be JSON in a text."""
    fates = {name: str(fate["outcome"]) for name, fate in _tools(seen)}
    return fates | {"calls": "as-text"} if fates["calls"] == "kept" and _wants_text(seen) else fates


def _reasoning_fate(seen: Renderings) -> str:
    """Of reasoning in a key of its own: dropped, kept in the last answer only (`last`), or kept."""
    if "MarkReasonOne" not in seen.text("reasoned-apart"):
        return "dropped"
    return "kept" if "MarkReasonOne" in seen.text("reasoned-apart-early") else "last"


def _wants_text(seen: Renderings) -> bool:
    return wants_text(*(seen.text(name) if seen.results[name].ok else None for name in ("call", "call-as-text")))


def _kept(kept: bool, fate: dict[str, Any]) -> dict[str, Any]:
    return fate if fate["outcome"] in ("refused", "untried") else {"outcome": "kept" if kept else "dropped"}


def _generation_prompt(seen: Renderings) -> str:
    prompt, turn = seen.text("prompt"), seen.text("first-turn")
    return prompt[common_length(prompt, turn) :]


def _prefix_stable(seen: Renderings) -> bool:
    """Turns are written the same whatever follows them."""
    whole = seen.text("many-exchanges")
    return bool(whole) and all(whole.startswith(seen.text(name)) for name in ("first-exchange", "third-turn"))
