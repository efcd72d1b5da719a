"""The LoRA adapter: strength, experts."""

from __future__ import annotations

from collections.abc import Collection

from ..engine import Broken, broken, rule
from ..findings import Severity
from ..fixes import use
from ..words import names, number
from .lora_targets import Targets, is_all_linear, leaf, pieces, recommended

PAIRS = (("gate_proj", "up_proj"), ("w1", "w3"))
"""Expert matrices that are stored as one: PEFT adapts both or none."""


@rule(
    code="lora.alpha-unusual",
    severity=Severity.WARNING,
    field="lora.alpha",
    message="lora.alpha is {alpha} at rank {rank}: the update is scaled by alpha/r, which is {scale} here. {why} "
    "About twice the rank is usual. Use {double}.",
    breaks={"lora_r": 16, "lora_alpha": 256},
)
def alpha_unusual(lora_r: int, lora_alpha: float, use_rslora: bool = False) -> Broken | None:
    """Alpha over rank multiplies every update: far from the usual 2 it acts like another learning rate."""
    if use_rslora or lora_r < 1 or lora_alpha <= 0 or lora_r <= lora_alpha <= 4 * lora_r:
        return None
    return broken(
        fix=use("lora.alpha", 2 * lora_r),
        alpha=number(lora_alpha),
        rank=lora_r,
        scale=number(lora_alpha / lora_r),
        why="The adapter hardly shows." if lora_alpha < lora_r else "The adapter easily overshoots.",
        double=2 * lora_r,
    )


def reached_experts(targets: Targets, expert_modules: Collection[str]) -> list[str]:
    """Which of a mixture's expert matrices the targets reach."""
    if isinstance(targets, str):
        return list(expert_modules) if is_all_linear(targets) else []
    return [name for name in pieces(targets) if leaf(name) in expert_modules]


@rule(
    code="lora.experts-dropout",
    severity=Severity.ERROR,
    field="lora.dropout",
    message="lora.dropout is {dropout}, but {experts} of {model} are expert matrices, which PEFT cannot adapt with "
    "dropout. Use 0.",
    breaks={
        "lora_dropout": 0.05,
        "target_modules": ("w1", "w2", "w3"),
        "expert_modules": ("w1", "w2", "w3"),
        "model": "mistralai/Mixtral-8x7B-v0.1",
    },
)
def experts_dropout(
    lora_dropout: float, target_modules: Targets, expert_modules: Collection[str], model: str = "this model"
) -> Broken | None:
    """Experts are adapted as parameters rather than modules, and a parameter has no input to drop; PEFT raises."""
    experts = reached_experts(target_modules, expert_modules)
    if not lora_dropout > 0 or not experts:
        return None
    return broken(fix=use("lora.dropout", 0.0), dropout=number(lora_dropout), experts=names(experts), model=model)


@rule(
    code="lora.half-expert-pair",
    severity=Severity.ERROR,
    field="lora.target_modules",
    message="{model} keeps the expert matrices {first} and {second} as one, so PEFT cannot adapt {given} alone. Add "
    "{missing}.",
    breaks={
        "target_modules": ("w1", "w2"),
        "expert_modules": ("w1", "w2", "w3"),
        "model": "mistralai/Mixtral-8x7B-v0.1",
    },
)
def half_expert_pair(
    target_modules: Targets, expert_modules: Collection[str], model: str = "this model"
) -> list[Broken]:
    """PEFT refuses half of a fused pair, after the model is loaded."""
    reached = {leaf(name) for name in pieces(target_modules)} if not isinstance(target_modules, str) else set()
    halves = [(pair, reached & set(pair)) for pair in PAIRS if set(pair) <= set(expert_modules)]
    found = []
    for (first, second), present in halves:
        if len(present) == 1:
            missing = second if first in present else first
            fix = use("lora.target_modules", (*pieces(target_modules), missing), f"Add {missing}")
            found.append(
                broken(fix=fix, model=model, first=first, second=second, given=next(iter(present)), missing=missing)
            )
    return found


@rule(
    code="lora.experts-targeted",
    severity=Severity.WARNING,
    field="lora.target_modules",
    message="{experts} of {model} are expert matrices: every expert of every layer gets an adapter, which can mean "
    "hundreds of millions of trained parameters. {advice}",
    breaks={
        "target_modules": ("q_proj", "v_proj", "w1", "w2", "w3"),
        "expert_modules": ("w1", "w2", "w3"),
        "lora_targets": ("q_proj", "k_proj", "v_proj", "o_proj"),
        "model": "mistralai/Mixtral-8x7B-v0.1",
    },
)
def experts_targeted(
    target_modules: Targets,
    expert_modules: Collection[str],
    lora_targets: Collection[str] = (),
    model: str = "this model",
) -> Broken | None:
    """Adapting all experts takes far more memory than people expect of LoRA; attention alone usually suffices."""
    experts = reached_experts(target_modules, expert_modules)
    if not experts or set(lora_targets) & set(expert_modules):
        return None
    fix = recommended(lora_targets)
    return broken(fix=fix, experts=names(experts), model=model, advice=f"{fix.label} unless you mean it.")


@rule(
    code="lora.all-linear-unfit",
    severity=Severity.ERROR,
    field="lora.target_modules",
    message="all-linear reaches {unfit} of {model}, which {is_or_are} computed past any adapter: PEFT refuses to "
    "start, or trains without a gradient there. {advice}",
    breaks={
        "target_modules": "all-linear",
        "unfit_modules": ("dt_proj", "out_proj"),
        "lora_modules": ("in_proj", "x_proj"),
        "lora_targets": ("in_proj", "x_proj"),
        "model": "state-spaces/mamba-130m-hf",
    },
)
def all_linear_unfit(
    target_modules: Targets,
    unfit_modules: Collection[str],
    lora_targets: Collection[str] = (),
    model: str = "this model",
) -> Broken | None:
    """Some architectures use the weights of a linear layer without calling the layer, so an adapter has no say."""
    if not isinstance(target_modules, str) or not is_all_linear(target_modules) or not unfit_modules:
        return None
    fix = recommended(lora_targets)
    verb = "is" if len(unfit_modules) == 1 else "are"
    return broken(fix=fix, unfit=names(unfit_modules), model=model, is_or_are=verb, advice=f"{fix.label}.")


@rule(
    code="lora.tied-embedding",
    severity=Severity.ERROR,
    field="lora.target_modules",
    message="{embedding} of {model} is also its output head. An adapter would change the one and not the other, and "
    "a merged model would answer differently from the trained one. {advice}",
    breaks={
        "target_modules": ("q_proj", "embed_tokens"),
        "tied_embedding": "embed_tokens",
        "lora_targets": ("q_proj", "v_proj"),
        "lora_modules": ("q_proj", "v_proj"),
        "model": "HuggingFaceTB/SmolLM2-135M-Instruct",
    },
)
def tied_embedding(
    target_modules: Targets, tied_embedding: str, lora_targets: Collection[str] = (), model: str = "this model"
) -> Broken | None:
    """Nothing complains while it trains; the difference shows when the adapter is merged."""
    if isinstance(target_modules, str) or not tied_embedding or tied_embedding not in map(leaf, pieces(target_modules)):
        return None
    others = tuple(name for name in pieces(target_modules) if leaf(name) != tied_embedding)
    fix = use("lora.target_modules", others, f"Use {names(others)}") if others else recommended(lora_targets)
    return broken(fix=fix, embedding=tied_embedding, model=model, advice=f"{fix.label}.")
