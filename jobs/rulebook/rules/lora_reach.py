"""What LoRA targets reach can carry an adapter, and the adapter has a say there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from ..aim import PATH, Aim
from ..engine import Broken, broken, rule
from ..findings import Fix, Severity
from ..fixes import advice, use
from ..targets import Module, is_all_linear
from ..words import names

_GPT2 = {
    "modules": (
        {"path": "transformer.h.{}.ln_1", "at": ((0, 11),)},
        {"path": "transformer.h.{}.attn", "at": ((0, 11),)},
        {"path": "transformer.h.{}.attn.c_attn", "at": ((0, 11),), "kind": "conv1d", "inputs": 768, "outputs": 2304},
    ),
    "lora_modules": ("c_attn",),
    "lora_targets": ("c_attn",),
    "model": "gpt2",
}


@rule(
    code="lora.unsupported-target",
    severity=Severity.ERROR,
    field=PATH,
    message="PEFT cannot adapt {reached} of {model}, reached by {given}: {why}. {advice}",
    breaks={**_GPT2, "target_modules": ("attn",)},
)
def unsupported_target(aim: Aim) -> Broken | None:
    """The name of a block matches the block, not what is in it, and PEFT refuses after the model is loaded."""
    text = aim.target_modules
    if isinstance(text, str):
        found = aim.resolution
        if found is None or is_all_linear(text) or found.problem != "unsupported":
            return None
        return _unsupported(aim, f"the pattern “{text}”", found.unsupported, aim.recommended)
    wrong = {name: lines for name in aim.listed if not aim.is_head(name) and (lines := aim.unsupported(name))}
    if not wrong:
        return None
    meant = (each for name in aim.names for each in (aim.inside(name) if name in wrong else (name,)))
    reached = tuple(dict.fromkeys(line for lines in wrong.values() for line in lines))
    return _unsupported(aim, names(list(wrong)), reached, aim.keep(meant))


def _unsupported(aim: Aim, given: str, reached: Sequence[Module], fix: Fix) -> Broken:
    convolution = next((line for line in reached if line.kind == "conv"), None)
    why = "only linear layers, embeddings and some convolutions take an adapter"
    if convolution:
        why = (
            f"a convolution in {convolution.groups} groups needs a rank that they divide, and the rank is {aim.lora_r}"
        )
    where = names([line.path.replace(".{}", "") for line in reached], limit=4)
    return broken(fix=fix, given=given, reached=where, model=aim.model, why=why, advice=advice([fix]))


_MAMBA = {
    "modules": (
        {"path": "layers.{}.mixer.in_proj", "at": ((0, 23),), "kind": "linear", "inputs": 768, "outputs": 3072},
        {"path": "layers.{}.mixer.dt_proj", "at": ((0, 23),), "kind": "linear", "inputs": 48, "outputs": 1536,
         "role": "unfit"},
    ),
    "lora_modules": ("in_proj", "x_proj"),
    "lora_targets": ("in_proj", "x_proj"),
    "model": "state-spaces/mamba-130m-hf",
}  # fmt: skip


@rule(
    code="lora.unfit-target",
    severity=Severity.ERROR,
    field=PATH,
    message="An adapter on {unfit} of {model} has no say, or breaks the first step: {why}. {advice}",
    breaks={**_MAMBA, "target_modules": ("in_proj", "dt_proj")},
)
def unfit_target(aim: Aim) -> Broken | None:
    """Some layers exist and take an adapter, but the model computes past it; nothing warns that it learns nothing."""
    if aim.is_sound_text and not is_all_linear(str(aim.target_modules)) and aim.resolution:
        lines = aim.resolution.with_role("unfit")
        fix = aim.recommended
    else:
        lines = tuple(line for name in aim.listed for line in aim.lines(name) if line.role == "unfit")
        fix = aim.keep(aim.listed)
    if not lines:
        return None
    unfit = names(list(dict.fromkeys(line.leaf for line in lines)))
    return broken(fix=fix, unfit=unfit, model=aim.model, why=_why_unfit(lines), advice=advice([fix]))


def _why_unfit(lines: Sequence[Module]) -> str:
    if any(line.refused for line in lines):
        return "PEFT refuses this module in state-space models"
    if any(line.kind == "embedding" for line in lines):
        return "the model calls it with masks or lengths rather than with numbers of rows"
    return "the model uses its weights without calling it, or expects more from it than an adapter answers"


@dataclass(frozen=True, kw_only=True)
class UnfitAim(Aim):
    unfit_modules: Collection[str] = field()


@rule(
    code="lora.all-linear-unfit",
    severity=Severity.ERROR,
    field=PATH,
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
def all_linear_unfit(aim: UnfitAim) -> Broken | None:
    """Some architectures use the weights of a linear layer without calling the layer, so an adapter has no say."""
    text = aim.target_modules
    if not isinstance(text, str) or not is_all_linear(text) or not aim.unfit_modules:
        return None
    verb = "is" if len(aim.unfit_modules) == 1 else "are"
    fix = aim.recommended
    return broken(fix=fix, unfit=names(aim.unfit_modules), model=aim.model, is_or_are=verb, advice=f"{fix.label}.")


@rule(
    code="lora.router-targeted",
    severity=Severity.WARNING,
    field=PATH,
    message="{routers} of {model} chooses which experts a token visits. An adapter there changes the choice and easily "
    "sends everything to a few of them. {advice}",
    breaks={
        "target_modules": ("q_proj", "shared_expert_gate"),
        "modules": (
            {"path": "layers.{}.q_proj", "at": ((0, 1),), "kind": "linear", "inputs": 8, "outputs": 8},
            {"path": "layers.{}.mlp.shared_expert_gate", "at": ((0, 1),), "kind": "linear", "inputs": 8, "outputs": 1,
             "role": "router"},
        ),
        "lora_modules": ("q_proj", "shared_expert_gate"),
        "lora_targets": ("q_proj",),
        "model": "Qwen/Qwen1.5-MoE-A2.7B",
    },
)  # fmt: skip
def router_targeted(aim: Aim) -> Broken | None:
    """Routers were balanced over the whole pre-training; a small data set unbalances them without a word."""
    if aim.is_sound_text and not is_all_linear(str(aim.target_modules)) and aim.resolution:
        routers = [_name(line) for line in aim.resolution.with_role("router")]
        fix = aim.recommended
    else:
        routers = [name for name in aim.listed if any(line.role == "router" for line in aim.lines(name))]
        fix = aim.keep(name for name in aim.listed if name not in routers)
    if not routers:
        return None
    return broken(fix=fix, routers=names(list(dict.fromkeys(routers))), model=aim.model, advice=f"{fix.label}.")


def _name(router: Module) -> str:
    return router.path.removesuffix(".weight").rpartition(".")[2]


@dataclass(frozen=True, kw_only=True)
class TiedAim(Aim):
    tied_embedding: str = field()


@rule(
    code="lora.tied-embedding",
    severity=Severity.ERROR,
    field=PATH,
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
def tied_embedding(aim: TiedAim) -> Broken | None:
    """Nothing complains while it trains; the difference shows when the adapter is merged."""
    if not aim.tied_embedding:
        return None
    if aim.is_sound_text and aim.resolution:
        found, fix = bool(aim.resolution.with_role("embedding")), aim.recommended
    else:
        found = any(aim.is_tied(name) for name in aim.names)
        others = tuple(name for name in aim.names if not aim.is_tied(name))
        fix = use(PATH, others, f"Use {names(others)}") if others else aim.recommended
    return broken(fix=fix, embedding=aim.tied_embedding, model=aim.model, advice=f"{fix.label}.") if found else None
