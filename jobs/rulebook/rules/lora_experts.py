"""Adapters on the expert matrices of a mixture: what PEFT cannot do there, and what it means."""

from __future__ import annotations

from ..aim import PATH, Aim, MixtureAim, leaf, pieces
from ..engine import Broken, broken, rule
from ..findings import Fix, Severity
from ..fixes import use
from ..targets import is_all_linear
from ..words import magnitude, names, number

PAIRS = (("gate_proj", "up_proj"), ("w1", "w3"))
"""Expert matrices that are stored as one: PEFT adapts both or none."""

_MIXTRAL = {"expert_modules": ("w1", "w2", "w3"), "model": "mistralai/Mixtral-8x7B-v0.1"}


def reached_experts(aim: Aim) -> list[str]:
    """Which of a mixture's matrices, experts' or router's, the targets reach as parameters."""
    if aim.resolution is not None:
        matrices = [each.module for each in aim.resolution.reached if not each.module.is_module]
        return list(dict.fromkeys(_name(module.path) for module in matrices))
    if aim.is_text:
        return list(aim.expert_modules) if is_all_linear(str(aim.target_modules)) else []
    return [name for name in aim.names if leaf(name) in aim.expert_modules]


def _name(path: str) -> str:
    return leaf(path.removesuffix(".weight"))


@rule(
    code="lora.experts-dropout",
    severity=Severity.ERROR,
    field="lora.dropout",
    message="lora.dropout is {dropout}, but {experts} of {model} are expert matrices, which PEFT cannot adapt with "
    "dropout. Use 0.",
    breaks={**_MIXTRAL, "lora_dropout": 0.05, "target_modules": ("w1", "w2", "w3")},
)
def experts_dropout(lora_dropout: float, aim: MixtureAim) -> Broken | None:
    """Experts are adapted as parameters rather than modules, and a parameter has no input to drop; PEFT raises."""
    experts = reached_experts(aim)
    if not lora_dropout > 0 or not experts:
        return None
    return broken(fix=use("lora.dropout", 0.0), dropout=number(lora_dropout), experts=names(experts), model=aim.model)


@rule(
    code="lora.experts-dora",
    severity=Severity.ERROR,
    field="lora.use_dora",
    message="{experts} of {model} are expert matrices, which PEFT cannot adapt with DoRA. Turn DoRA off.",
    breaks={**_MIXTRAL, "use_dora": True, "target_modules": ("w1", "w2", "w3")},
)
def experts_dora(use_dora: bool, aim: MixtureAim) -> Broken | None:
    """Of all kinds of layers only expert matrices have no DoRA; PEFT raises after the model is loaded."""
    experts = reached_experts(aim)
    if not use_dora or not experts:
        return None
    return broken(fix=use("lora.use_dora", False, "Turn DoRA off"), experts=names(experts), model=aim.model)


@rule(
    code="lora.half-expert-pair",
    severity=Severity.ERROR,
    field=PATH,
    message="{model} keeps the expert matrices {first} and {second} as one, so PEFT cannot adapt {given} alone. "
    "{advice}.",
    breaks={**_MIXTRAL, "target_modules": ("w1", "w2")},
)
def half_expert_pair(aim: MixtureAim) -> list[Broken]:
    """PEFT refuses half of a fused pair, after the model is loaded."""
    if aim.resolution is not None:
        missing = set(aim.resolution.detail) if aim.resolution.problem == "half-pair" else set()
        pairs = [pair for pair in (aim.tree.fused.values() if aim.tree else ()) if missing & set(pair)]
    else:
        reached = {leaf(name) for name in aim.names}
        pairs = [pair for pair in PAIRS if set(pair) <= set(aim.expert_modules) and len(reached & set(pair)) == 1]
        missing = {name for pair in pairs for name in pair} - reached
    return [_half(aim, pair, [name for name in pair if name in missing]) for pair in pairs]


def _half(aim: Aim, pair: tuple[str, ...], missing: list[str]) -> Broken:
    given = [name for name in pair if name not in missing]
    fix = aim.recommended
    if not isinstance(aim.target_modules, str):
        fix = use(PATH, (*pieces(aim.target_modules), *missing), f"Add {names(missing)}")
    return broken(fix=fix, model=aim.model, first=pair[0], second=pair[1], given=names(given), advice=fix.label)


@rule(
    code="lora.experts-targeted",
    severity=Severity.WARNING,
    field=PATH,
    message="{experts} of {model} are expert matrices: every expert of every layer gets an adapter, {how_many}. "
    "{advice}",
    breaks={
        **_MIXTRAL,
        "target_modules": ("q_proj", "v_proj", "w1", "w2", "w3"),
        "lora_targets": ("q_proj", "k_proj", "v_proj", "o_proj"),
    },
)
def experts_targeted(aim: MixtureAim) -> Broken | None:
    """Adapting all experts takes far more memory than people expect of LoRA; attention alone usually suffices."""
    experts = reached_experts(aim) if aim.resolution is None or aim.resolution.experts else []
    if not experts or set(aim.lora_targets) & set(aim.expert_modules):
        return None
    fix: Fix = aim.recommended
    return broken(
        fix=fix,
        experts=names(experts),
        model=aim.model,
        how_many=_how_many(aim),
        advice=f"{fix.label} unless you mean it.",
    )


def _how_many(aim: Aim) -> str:
    if aim.resolution is None:
        return "which can mean hundreds of millions of trained parameters"
    trained, in_experts = aim.resolution.trainable, aim.resolution.expert_parameters
    return f"{magnitude(in_experts)} of the {magnitude(trained)} parameters that would be trained"
