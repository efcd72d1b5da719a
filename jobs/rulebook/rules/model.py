"""The base model is one that can be trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..engine import Broken, broken, rule
from ..findings import Severity
from ..fixes import advice, model_at_hand, use, use_model

SUGGESTIONS = 3


@rule(
    code="model.unknown",
    severity=Severity.ERROR,
    field="model.name",
    message="{model} is not in the catalogue, so nothing is known about it. {advice} Staff can add models.",
    breaks={"model": "smol-lm2", "model_listed": False, "similar_models": ("HuggingFaceTB/SmolLM2-135M-Instruct",)},
)
def unknown(model: str, model_listed: bool, similar_models: Sequence[str] = ()) -> Broken | None:
    """A name that the hub does not know fails only when the download starts, long after the submit."""
    if model_listed:
        return None
    fixes = [use_model(name) for name in similar_models[:SUGGESTIONS]]
    return broken(fixes=fixes, model=model, advice=advice(fixes, "Choose one of the listed models."))


@rule(
    code="model.unsafe-weights",
    severity=Severity.ERROR,
    field="model.name",
    message="{model} comes only as pickle files, which can run any program when they are loaded. {advice}",
    breaks={"model": "someone/old-model", "unsafe_weights": True},
)
def unsafe_weights(model: str, unsafe_weights: bool, chat_model: str | None = None) -> Broken | None:
    """Opening a pickle file runs whatever its author put into it; safetensors files hold numbers only."""
    if not unsafe_weights:
        return None
    fix = model_at_hand(chat_model, model)
    return broken(fix=fix, model=model, advice=advice([fix], "Choose a model with safetensors files."))


@rule(
    code="model.unbuildable",
    severity=Severity.ERROR,
    field="model.name",
    message="{model} cannot be loaded here. {reason}. {advice}",
    breaks={"model": "someone/new-idea", "unbuildable": "Its architecture, newidea, needs code that comes with it."},
)
def unbuildable(model: str, unbuildable: str, untrainable: str = "", chat_model: str | None = None) -> Broken | None:
    """What its config.json describes was tried without weights; the trainer would fail in the same place."""
    if not unbuildable or untrainable:
        return None
    fix = model_at_hand(chat_model, model)
    return broken(fix=fix, model=model, reason=unbuildable.rstrip("."), advice=advice([fix], "Choose another model."))


QUANTIZED = {"gptq": "GPTQ", "awq": "AWQ", "aqlm": "AQLM", "eetq": "EETQ", "hqq": "HQQ"}


@rule(
    code="model.weights-format",
    severity=Severity.ERROR,
    field="model.name",
    message="The weights of {model} come as {weights} only, which cannot be trained here. {advice}",
    breaks={"model": "TheBloke/Llama-2-7B-GPTQ", "weights_format": "gptq"},
)
def weights_format(model: str, weights_format: str, chat_model: str | None = None) -> Broken | None:
    """Such files are made for running a model; the original repository has weights that can be trained."""
    weights = {"gguf": "GGUF", **QUANTIZED}.get(weights_format)
    if weights is None:
        return None
    fix = model_at_hand(chat_model, model)
    otherwise = "Choose the model it was made from."
    return broken(fix=fix, model=model, weights=weights, advice=advice([fix], otherwise))


@rule(
    code="model.untrainable",
    severity=Severity.ERROR,
    field="model.name",
    message="{model} cannot be trained here. {reason}. {advice}",
    breaks={"model": "meta-llama/Llama-4-Scout", "untrainable": "TRL cannot compute the loss of llama4_text."},
)
def untrainable(model: str, untrainable: str, chat_model: str | None = None) -> Broken | None:
    """Some architectures load and tokenise for minutes and then fail at the first step, whatever the settings."""
    if not untrainable:
        return None
    fix = model_at_hand(chat_model, model)
    return broken(fix=fix, model=model, reason=untrainable.rstrip("."), advice=advice([fix], "Choose another model."))


@rule(
    code="model.no-gradient-checkpointing",
    severity=Severity.ERROR,
    field="training.gradient_checkpointing",
    message="{model} cannot do gradient checkpointing; with it the first step fails. Turn it off.",
    breaks={"model": "openai-community/openai-gpt", "gradient_checkpointing": True, "supports_checkpointing": False},
)
def no_gradient_checkpointing(model: str, gradient_checkpointing: bool, supports_checkpointing: bool) -> Broken | None:
    """The architecture raises at the first step, after the model is loaded and all rows are tokenised."""
    if supports_checkpointing or not gradient_checkpointing:
        return None
    return broken(fix=use("training.gradient_checkpointing", False, "Turn it off"), model=model)


@rule(
    code="model.not-inspected",
    severity=Severity.ADVICE,
    field="model.name",
    message="What is said about {model} here is what holds for its family, not for itself. {reason}",
    breaks={"model": "gpt2", "uninspected": "The connection to the hub failed while gpt2 was fetched. Try again."},
)
def not_inspected(model: str, uninspected: str) -> Broken | None:
    """Nobody should take an assumption for a measurement: a model may differ from its family in what matters."""
    return broken(model=model, reason=uninspected) if uninspected else None


@rule(
    code="model.disagreement",
    severity=Severity.ADVICE,
    field="model.name",
    message="About the files of {model}: {difference}. Where they and the catalogue differ, the files are believed; "
    "ask staff to correct the catalogue.",
    breaks={
        "model": "gpt2",
        "disagreements": ("Its tokenizer has a chat template, but the catalogue lists it with none.",),
    },
)
def disagreement(model: str, disagreements: Sequence[str]) -> Iterator[Broken]:
    """What the catalogue assumes is shown on every page, so a wrong row should not stay unnoticed."""
    for difference in disagreements:
        yield broken(model=model, difference=difference.rstrip("."))
