"""LoRA targets name modules that the model really has.

Names match the last part of a module's path (or its last parts: `self_attn.q_proj`). The modules known here are
last parts, so that is what is compared.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable

from ..engine import Broken, broken, rule
from ..findings import Fix, Severity
from ..fixes import advice, use
from ..words import names

Targets = tuple[str, ...] | str

PATH = "lora.target_modules"
ALL_LINEAR = "all-linear"
OUTPUT_HEADS = ("lm_head", "embed_out")
_ALSO_ALL = ("all", "all_linear", "alllinear", "all linear")
_BETWEEN_NAMES = re.compile(r"[\s,;]+")
_PLAIN = re.compile(r"[\w.,;\s-]*")


def is_all_linear(target: str) -> bool:
    return target.lower() == ALL_LINEAR


def means_all_linear(target: str) -> bool:
    return is_all_linear(target) or target.lower() in _ALSO_ALL


def leaf(name: str) -> str:
    """The last part of a dotted name."""
    return name.rpartition(".")[2]


def pieces(targets: Targets) -> tuple[str, ...]:
    """The names as they were meant: split where somebody wrote several in one, without blanks and repetition."""
    texts = (targets,) if isinstance(targets, str) else targets
    split = (piece for text in texts for piece in _BETWEEN_NAMES.split(text) if piece)
    return tuple(dict.fromkeys(split))


def recommended(lora_targets: Collection[str]) -> Fix:
    """The family's targets; where they are not known here, none, which takes whatever is recommended."""
    if not lora_targets:
        return use(PATH, None, "Use the recommended modules")
    return use(PATH, tuple(lora_targets), f"Use {names(lora_targets)}")


def _existing(found: Iterable[str], lora_modules: Collection[str] | None) -> tuple[str, ...]:
    """Those that can be trained: modules of the model (as far as known) other than the output head."""
    return tuple(
        name
        for name in found
        if leaf(name) not in OUTPUT_HEADS and (lora_modules is None or leaf(name) in lora_modules)
    )


def _keep(found: Iterable[str], lora_modules: Collection[str] | None, lora_targets: Collection[str]) -> Fix:
    """Keep what can be trained of `found`; if that is nothing, the recommended modules."""
    kept = _existing(found, lora_modules)
    return use(PATH, kept, f"Use {names(kept)}") if kept else recommended(lora_targets)


@rule(
    code="lora.no-targets",
    severity=Severity.ERROR,
    field=PATH,
    message="lora.target_modules is empty, so no layer would get an adapter and PEFT refuses to start. {advice}",
    breaks={"target_modules": ()},
)
def no_targets(target_modules: Targets, lora_targets: Collection[str] = ()) -> Broken | None:
    """An adapter on nothing has nothing to train."""
    if pieces(target_modules):
        return None
    fix = recommended(lora_targets)
    return broken(fix=fix, advice=advice([fix]))


@rule(
    code="lora.targets-as-text",
    severity=Severity.ERROR,
    field=PATH,
    message="lora.target_modules is the text “{text}”. PEFT takes a text other than all-linear for a pattern on whole "
    "paths, and this one matches no module. {advice}",
    breaks={"target_modules": "q_proj,v_proj", "lora_modules": ("q_proj", "v_proj")},
)
def targets_as_text(
    target_modules: Targets, lora_modules: Collection[str] | None = None, lora_targets: Collection[str] = ()
) -> Broken | None:
    """`q_proj,v_proj` instead of a list looks right on every page and fails after the model is loaded."""
    if not isinstance(target_modules, str) or is_all_linear(target_modules) or not _PLAIN.fullmatch(target_modules):
        return None
    if means_all_linear(target_modules):
        fix = use(PATH, ALL_LINEAR)
    else:
        fix = _keep(pieces(target_modules), lora_modules, lora_targets)
    return broken(fix=fix, text=target_modules, advice=advice([fix]))


_SIMPLE_PATTERN = re.compile(
    r"\.\*(?P<dot>\\?\.)?(?P<head>\w*)(?:\((?:\?:)?(?P<options>\w+(?:\|\w+)*)\))?(?P<tail>\w*)"
)


def _matched(pattern: str, modules: Collection[str]) -> list[str] | None:
    """Modules that a pattern like `.*\\.(q|v)_proj` matches; None for patterns of any other shape.

    Patterns are never run: one that somebody made to be slow would stop the portal.
    """
    shape = _SIMPLE_PATTERN.fullmatch(pattern)
    if shape is None or not (shape["head"] or shape["options"] or shape["tail"]):
        return None
    endings = tuple(f"{shape['head']}{option}{shape['tail']}" for option in (shape["options"] or "").split("|"))
    if shape["dot"]:
        return [module for module in modules if module in endings]
    return [module for module in modules if module.endswith(endings)]


def _is_pattern(targets: Targets) -> bool:
    return isinstance(targets, str) and not _PLAIN.fullmatch(targets)


@rule(
    code="lora.pattern-matches-nothing",
    severity=Severity.ERROR,
    field=PATH,
    message="The pattern “{pattern}” matches no module of {model}; its modules are {modules}. {advice}",
    breaks={
        "target_modules": r".*\.(q|v)_proj",
        "lora_modules": ("c_attn", "c_fc", "c_proj"),
        "lora_targets": ("c_attn", "c_proj"),
        "model": "gpt2",
    },
)
def pattern_matches_nothing(
    target_modules: Targets,
    lora_modules: Collection[str],
    lora_targets: Collection[str] = (),
    model: str = "this model",
) -> Broken | None:
    """PEFT finds out only after the model is loaded."""
    if not _is_pattern(target_modules) or _matched(str(target_modules), lora_modules) != []:
        return None
    fix = recommended(lora_targets)
    return broken(fix=fix, pattern=target_modules, model=model, modules=names(lora_modules), advice=advice([fix]))


@rule(
    code="lora.unchecked-pattern",
    severity=Severity.WARNING,
    field=PATH,
    message="The pattern “{pattern}” was not checked: it is matched against whole module paths, which are known only "
    "once the model is loaded. {advice}",
    breaks={"target_modules": r"model\.layers\.[0-9]\..*_proj"},
)
def unchecked_pattern(target_modules: Targets, lora_targets: Collection[str] = ()) -> Broken | None:
    """A pattern that misses fails late, and one that matches half of what was meant is never noticed."""
    if not _is_pattern(target_modules) or _matched(str(target_modules), ()) is not None:
        return None
    fix = recommended(lora_targets)
    return broken(fix=fix, pattern=target_modules, advice=advice([fix]))


@rule(
    code="lora.untidy-target",
    severity=Severity.ERROR,
    field=PATH,
    message="{untidy} cannot be a module's name: names have no blanks and no commas. PEFT would leave it out without "
    "a word. Use {tidy}.",
    breaks={"target_modules": ("q_proj ", "v_proj")},
)
def untidy_target(target_modules: Targets) -> Broken | None:
    """`"q_proj "` matches nothing, and as long as another name matches, half an adapter is trained silently."""
    tidy = pieces(target_modules)
    if isinstance(target_modules, str) or not tidy:
        return None
    untidy = [f"“{name}”" for name in target_modules if name not in tidy]
    return broken(fix=use(PATH, tidy, f"Use {names(tidy)}"), untidy=names(untidy), tidy=names(tidy)) if untidy else None


@rule(
    code="lora.all-linear-in-list",
    severity=Severity.ERROR,
    field=PATH,
    message="“{name}” in a list is taken for a module's name, and no module is called so. {advice}",
    breaks={"target_modules": ("all-linear",)},
)
def all_linear_in_list(
    target_modules: Targets, expert_modules: Collection[str] = (), lora_targets: Collection[str] = ()
) -> Broken | None:
    """PEFT knows the word only as a plain text; in a list it matches nothing."""
    found = (
        [] if isinstance(target_modules, str) else [name for name in pieces(target_modules) if means_all_linear(name)]
    )
    if not found:
        return None
    every_layer = None if expert_modules else use(PATH, ALL_LINEAR, "Use all-linear as a plain text")
    fixes = (every_layer, recommended(lora_targets))
    return broken(fixes=fixes, name=found[0], advice=advice(fixes))


@rule(
    code="lora.output-head",
    severity=Severity.ERROR,
    field=PATH,
    message="{head} is the model's output head. The trainer computes the loss without calling it, so an adapter on it "
    "would never be trained, and TRL refuses. {advice}",
    breaks={"target_modules": ("q_proj", "lm_head")},
)
def output_head(
    target_modules: Targets, lora_modules: Collection[str] | None = None, lora_targets: Collection[str] = ()
) -> Broken | None:
    """TRL raises after the model is loaded, whether or not the head shares its weights with the embedding."""
    if isinstance(target_modules, str):
        return None
    heads = [name for name in pieces(target_modules) if leaf(name) in OUTPUT_HEADS]
    if not heads:
        return None
    fix = _keep(pieces(target_modules), lora_modules, lora_targets)
    return broken(fix=fix, head=names(heads), advice=advice([fix]))


def _other_case(name: str, modules: Collection[str]) -> str | None:
    """The module that differs from `name` only in upper and lower case."""
    if leaf(name) in modules:
        return None
    return next((module for module in modules if module.lower() == leaf(name).lower()), None)


@rule(
    code="lora.target-case",
    severity=Severity.ERROR,
    field=PATH,
    message="{wrong} differs from {right} in upper and lower case only, and names must match exactly. {advice}",
    breaks={"target_modules": ("Q_PROJ", "v_proj"), "lora_modules": ("q_proj", "v_proj")},
)
def target_case(target_modules: Targets, lora_modules: Collection[str]) -> Broken | None:
    """PEFT compares letter by letter; a name in the wrong case is left out silently beside one that matches."""
    if isinstance(target_modules, str):
        return None
    spelt = {name: right for name in pieces(target_modules) if (right := _other_case(name, lora_modules))}
    if not spelt:
        return None
    corrected = tuple(dict.fromkeys(spelt.get(name, name) for name in pieces(target_modules)))
    fix = use(PATH, corrected, f"Use {names(corrected)}")
    return broken(fix=fix, wrong=names(spelt), right=names(list(spelt.values())), advice=advice([fix]))


def _sorted_out(targets: Targets, modules: Collection[str], tied_embedding: str | None) -> tuple[list[str], list[str]]:
    """Names that are modules, and names that are nothing any other rule speaks of."""
    if isinstance(targets, str) or any(means_all_linear(name) for name in pieces(targets)):
        return [], []
    matching = [name for name in pieces(targets) if _existing([name], modules) or _other_case(name, modules)]
    known = set(matching)
    others_speak_of = {*OUTPUT_HEADS, tied_embedding}
    unknown = [name for name in pieces(targets) if name not in known and leaf(name) not in others_speak_of]
    return matching, unknown


@rule(
    code="lora.unknown-target",
    severity=Severity.ERROR,
    field=PATH,
    message="No module of {model} is called {unknown}; its modules are {modules}. PEFT would stop after loading the "
    "model. {advice}",
    breaks={
        "target_modules": ("query", "value"),
        "lora_modules": ("c_attn", "c_fc", "c_proj"),
        "lora_targets": ("c_attn", "c_proj"),
        "model": "gpt2",
    },
)
def unknown_target(
    target_modules: Targets,
    lora_modules: Collection[str],
    lora_targets: Collection[str] = (),
    model: str = "this model",
    tied_embedding: str | None = None,
) -> Broken | None:
    """Targets copied from a recipe for another family are the most frequent mistake in LoRA jobs."""
    matching, unknown = _sorted_out(target_modules, lora_modules, tied_embedding)
    if matching or not unknown:
        return None
    fix = recommended(lora_targets)
    called = names(unknown).replace(" and ", " or ")
    return broken(fix=fix, model=model, unknown=called, modules=names(lora_modules), advice=advice([fix]))


@rule(
    code="lora.partly-unknown-target",
    severity=Severity.ERROR,
    field=PATH,
    message="{model} has {matching}, but no {unknown}; its modules are {modules}. PEFT would train only what matches, "
    "without a word. {advice}",
    breaks={
        "target_modules": ("q_proj", "v_proj", "c_attn"),
        "lora_modules": ("q_proj", "k_proj", "v_proj", "o_proj"),
        "lora_targets": ("q_proj", "v_proj"),
        "model": "HuggingFaceTB/SmolLM2-135M-Instruct",
    },
)
def partly_unknown_target(
    target_modules: Targets,
    lora_modules: Collection[str],
    lora_targets: Collection[str] = (),
    model: str = "this model",
    tied_embedding: str | None = None,
) -> Broken | None:
    """A partly matching list trains a smaller adapter than was asked for, with no error and no warning."""
    matching, unknown = _sorted_out(target_modules, lora_modules, tied_embedding)
    if not matching or not unknown:
        return None
    keep, replace = use(PATH, tuple(matching), f"Keep {names(matching)}"), recommended(lora_targets)
    mostly_right = len(matching) > len(unknown)
    fixes = [keep, replace] if mostly_right else [replace, keep]
    if keep.changes == replace.changes:
        fixes = [keep]
    return broken(
        fixes=fixes,
        model=model,
        matching=names(matching),
        unknown=names(unknown).replace(" and ", " or "),
        modules=names(lora_modules),
        advice=advice(fixes),
    )


@rule(
    code="lora.duplicate-target",
    severity=Severity.WARNING,
    field=PATH,
    message="lora.target_modules names {doubled} more than once; each module gets one adapter. Use {once}.",
    breaks={"target_modules": ("q_proj", "v_proj", "q_proj")},
)
def duplicate_target(target_modules: Targets) -> Broken | None:
    """Harmless in itself, but often one of the two was meant to be another module."""
    if isinstance(target_modules, str):
        return None
    stripped = [name.strip() for name in target_modules if name.strip()]
    doubled = [name for name, times in Counter(stripped).items() if times > 1]
    if not doubled:
        return None
    once = tuple(dict.fromkeys(stripped))
    return broken(fix=use(PATH, once, f"Use {names(once)}"), doubled=names(doubled), once=names(once))
