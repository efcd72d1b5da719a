"""LoRA targets name modules that the model really has.

Where the model was looked into, each name and pattern is resolved on its modules as PEFT does. Where only its family is
known, names are compared with the last parts that its modules are called by.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from ..aim import PATH, Aim, KnownAim, counted, is_pattern, leaf
from ..engine import Broken, broken, rule
from ..findings import Fix, Severity
from ..fixes import advice, use
from ..targets import nearest
from ..words import names

_SIMPLE_PATTERN = re.compile(
    r"\.\*(?P<dot>\\?\.)?(?P<head>\w*)(?:\((?:\?:)?(?P<options>\w+(?:\|\w+)*)\))?(?P<tail>\w*)"
)


def _matched(pattern: str, modules: Collection[str]) -> list[str] | None:
    """Names of a family that a pattern like `.*\\.(q|v)_proj` matches; None for patterns of any other shape."""
    shape = _SIMPLE_PATTERN.fullmatch(pattern)
    if shape is None or not (shape["head"] or shape["options"] or shape["tail"]):
        return None
    endings = tuple(f"{shape['head']}{option}{shape['tail']}" for option in (shape["options"] or "").split("|"))
    if shape["dot"]:
        return [module for module in modules if module in endings]
    return [module for module in modules if module.endswith(endings)]


@rule(
    code="lora.pattern-invalid",
    severity=Severity.ERROR,
    field=PATH,
    message="The pattern “{pattern}” {why}. {advice}",
    breaks={
        "target_modules": "(q_proj",
        "modules": ({"path": "h.q_proj", "kind": "linear"},),
        "lora_modules": ("q_proj",),
        "lora_targets": ("q_proj",),
    },
)
def pattern_invalid(aim: Aim) -> Broken | None:
    """PEFT compiles the pattern only after the model is loaded, and one that takes for ever stops the run there."""
    found = aim.resolution
    if found is None or found.problem not in ("bad-pattern", "slow-pattern"):
        return None
    fix = aim.recommended
    return broken(fix=fix, pattern=aim.target_modules, why=found.detail[0].rstrip("."), advice=advice([fix]))


@rule(
    code="lora.pattern-matches-nothing",
    severity=Severity.ERROR,
    field=PATH,
    message="The pattern “{pattern}” matches no module of {model}; its modules are {modules}. PEFT compares it with "
    "whole paths like {path}. {advice}",
    breaks={
        "target_modules": r".*\.(q|v)_proj",
        "lora_modules": ("c_attn", "c_fc", "c_proj"),
        "lora_targets": ("c_attn", "c_proj"),
        "model": "gpt2",
    },
)
def pattern_matches_nothing(aim: KnownAim) -> Broken | None:
    """PEFT finds out only after the model is loaded."""
    if not is_pattern(aim.target_modules) or not _misses(aim):
        return None
    fix = aim.recommended
    return broken(
        fix=fix,
        pattern=aim.target_modules,
        model=aim.model,
        modules=names(aim.lora_modules),
        path=_example(aim),
        advice=advice([fix]),
    )


def _misses(aim: KnownAim) -> bool:
    if aim.resolution is not None:
        return aim.resolution.problem == "nothing"
    return _matched(str(aim.target_modules), aim.lora_modules) == []


def _example(aim: KnownAim) -> str:
    """A whole path of this model."""
    linear = [each for each in aim.tree.modules if each.is_linear] if aim.tree else []
    if linear:
        return linear[0].in_layer(min(linear[0].layers, key=lambda layer: layer or 0))
    return f"model.layers.0.{next(iter(aim.lora_modules), 'q_proj')}"


@rule(
    code="lora.unchecked-pattern",
    severity=Severity.WARNING,
    field=PATH,
    message="The pattern “{pattern}” was not checked: it is matched against whole module paths, which are known only "
    "once the model was looked into. {advice}",
    breaks={"target_modules": r"model\.layers\.[0-9]\..*_proj"},
)
def unchecked_pattern(aim: Aim) -> Broken | None:
    """A pattern that misses fails late, and one that matches half of what was meant is never noticed."""
    if aim.tree or not is_pattern(aim.target_modules) or _matched(str(aim.target_modules), ()) is not None:
        return None
    fix = aim.recommended
    return broken(fix=fix, pattern=aim.target_modules, advice=advice([fix]))


@rule(
    code="lora.output-head",
    severity=Severity.ERROR,
    field=PATH,
    message="{head} is the model's output head. The trainer computes the loss without calling it, so an adapter on it "
    "would never be trained, and TRL refuses. {advice}",
    breaks={"target_modules": ("q_proj", "lm_head")},
)
def output_head(aim: Aim) -> Broken | None:
    """TRL raises after the model is loaded, whether or not the head shares its weights with the embedding."""
    if aim.is_sound_text and aim.resolution:
        heads = [module.leaf for module in aim.resolution.with_role("head")]
        fix = aim.recommended
    else:
        heads = [name for name in aim.names if aim.is_head(name)]
        fix = aim.keep(aim.names)
    return broken(fix=fix, head=names(heads), advice=advice([fix])) if heads else None


def _other_case(name: str, aim: KnownAim) -> str | None:
    """The module that differs from `name` only in upper and lower case."""
    if aim.exists(name) or leaf(name) in aim.lora_modules:
        return None
    return next((module for module in aim.lora_modules if module.lower() == leaf(name).lower()), None)


@rule(
    code="lora.target-case",
    severity=Severity.ERROR,
    field=PATH,
    message="{wrong} differs from {right} in upper and lower case only, and names must match exactly. {advice}",
    breaks={"target_modules": ("Q_PROJ", "v_proj"), "lora_modules": ("q_proj", "v_proj")},
)
def target_case(aim: KnownAim) -> Broken | None:
    """PEFT compares letter by letter; a name in the wrong case is left out silently beside one that matches."""
    spelt = {name: right for name in aim.names if (right := _other_case(name, aim))}
    if not spelt:
        return None
    corrected = tuple(dict.fromkeys(spelt.get(name, name) for name in aim.names))
    fix = use(PATH, corrected, f"Use {names(corrected)}")
    return broken(fix=fix, wrong=names(spelt), right=names(list(spelt.values())), advice=advice([fix]))


def _sorted_out(aim: KnownAim) -> tuple[list[str], list[str]]:
    """Names that are modules, and names that are nothing any other rule speaks of."""
    if len(aim.listed) < len(aim.names):
        return [], []
    matching = [name for name in aim.names if _is_there(name, aim) or _other_case(name, aim)]
    spoken_of = [*matching, *(name for name in aim.names if aim.is_head(name) or aim.is_tied(name))]
    return matching, [name for name in aim.names if name not in spoken_of]


def _is_there(name: str, aim: KnownAim) -> bool:
    return aim.exists(name) and not aim.is_head(name)


def _corrected(aim: KnownAim, unknown: Collection[str]) -> Fix | None:
    """Every unknown name replaced by the one that looks most like it, where each has one that carries an adapter."""
    if aim.tree is None:
        return None
    meant = {name: next(iter(nearest(name, aim.tree, most=1)), "") for name in unknown}
    if not all(map(aim.is_fit, meant.values())):
        return None
    better = tuple(dict.fromkeys(meant.get(name, name) for name in aim.names))
    return use(PATH, better, f"Use {names(better)}")


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
def unknown_target(aim: KnownAim) -> Broken | None:
    """Targets copied from a recipe for another family are the most frequent mistake in LoRA jobs."""
    matching, unknown = _sorted_out(aim)
    if matching or not unknown:
        return None
    fixes = _different([_corrected(aim, unknown), aim.recommended])
    called = names(unknown).replace(" and ", " or ")
    modules = names(aim.lora_modules)
    return broken(fixes=fixes, model=aim.model, unknown=called, modules=modules, advice=advice(fixes))


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
def partly_unknown_target(aim: KnownAim) -> Broken | None:
    """A partly matching list trains a smaller adapter than was asked for, with no error and no warning."""
    matching, unknown = _sorted_out(aim)
    if not matching or not unknown:
        return None
    keep = use(PATH, tuple(matching), f"Keep {names(matching)}")
    mostly_right = len(matching) > len(unknown)
    fixes = [keep, aim.recommended] if mostly_right else [aim.recommended, keep]
    if keep.changes == aim.recommended.changes:
        fixes = [keep]
    fixes = _different([_corrected(aim, unknown), *fixes])
    return broken(
        fixes=fixes,
        model=aim.model,
        matching=counted({name: aim.count(name) for name in matching}),
        unknown=names(unknown).replace(" and ", " or "),
        modules=names(aim.lora_modules),
        advice=advice(fixes),
    )


def _different(fixes: list[Fix | None]) -> list[Fix]:
    """Each change once; the first words for it stay."""
    first: dict[str, Fix] = {}
    for fix in fixes:
        if fix is not None:
            first.setdefault(repr(fix.changes), fix)
    return list(first.values())
