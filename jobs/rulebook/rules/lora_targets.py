"""LoRA targets are written as PEFT reads them: a list of names, a pattern on whole paths, or all-linear."""

from __future__ import annotations

from collections import Counter

from ..aim import PATH, Aim, is_pattern, means_all_linear, pieces
from ..engine import Broken, broken, rule
from ..findings import Severity
from ..fixes import advice, use
from ..targets import ALL_LINEAR, Targets, is_all_linear
from ..words import names


@rule(
    code="lora.no-targets",
    severity=Severity.ERROR,
    field=PATH,
    message="lora.target_modules is empty, so no layer would get an adapter and PEFT refuses to start. {advice}",
    breaks={"target_modules": ()},
)
def no_targets(aim: Aim) -> Broken | None:
    """An adapter on nothing has nothing to train."""
    if pieces(aim.target_modules):
        return None
    return broken(fix=aim.recommended, advice=advice([aim.recommended]))


@rule(
    code="lora.targets-as-text",
    severity=Severity.ERROR,
    field=PATH,
    message="lora.target_modules is the text “{text}”. PEFT takes a text other than all-linear for a pattern on whole "
    "paths, and this one matches no module. {advice}",
    breaks={"target_modules": "q_proj,v_proj", "lora_modules": ("q_proj", "v_proj")},
)
def targets_as_text(aim: Aim) -> Broken | None:
    """`q_proj,v_proj` instead of a list looks right on every page and fails after the model is loaded."""
    text = aim.target_modules
    if not isinstance(text, str) or not pieces(text) or is_all_linear(text) or is_pattern(text):
        return None
    if aim.resolution and aim.resolution.problem != "nothing":
        return None
    fix = use(PATH, ALL_LINEAR) if means_all_linear(text) else aim.keep(pieces(text))
    return broken(fix=fix, text=text, advice=advice([fix]))


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
def all_linear_in_list(aim: Aim) -> Broken | None:
    """PEFT knows the word only as a plain text; in a list it matches nothing."""
    found = [name for name in aim.names if means_all_linear(name)]
    if not found:
        return None
    every_layer = use(PATH, ALL_LINEAR, "Use all-linear as a plain text")
    fixes = [aim.recommended] if aim.expert_modules or aim.unfit_modules else [every_layer, aim.recommended]
    return broken(fixes=fixes, name=found[0], advice=advice(fixes))


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
