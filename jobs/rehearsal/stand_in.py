"""A stand-in for a model: the same architecture, tokenizer and kinds of layers, with tiny random weights.

Made from the small files of a model folder; its weights are not needed, and neither is a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from .layers import find_layers, first_of_each, kinds_of
from .shrinking import SHAPES, depth_of, keep_layers, narrow, per_layer

WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".onnx", ".index.json")
MOST_PARAMETERS = 20_000_000
"""Beside the embeddings. A stand-in beyond that has a size that nobody taught us to shrink."""


class NoStandIn(Exception):
    """Why no stand-in can be made, as a sentence."""


@dataclass(frozen=True)
class Layers:
    """The layers of a model, and those that stand for them.

    `stack` is the name of the list they are in, `stands_for[i]` the real layer number that layer i of the stand-in
    was, and `stand_in_of[j]` the layer of the stand-in that is of the same kind as the real layer j.
    """

    stack: str
    stands_for: tuple[int, ...]
    stand_in_of: tuple[int, ...]
    modules: tuple[str, ...]
    """The names of all modules of the whole model."""


@dataclass(frozen=True)
class StandIn:
    folder: Path
    architecture: str
    layers: Layers


def make_stand_in(model_folder: Path, folder: Path) -> StandIn:
    """Write the stand-in of a model into `folder`. Raises `NoStandIn`."""
    model, layers = build(read_config(model_folder))
    folder.mkdir(parents=True)
    model.save_pretrained(folder)
    for path in small_files(model_folder):
        (folder / path.name).unlink(missing_ok=True)
        (folder / path.name).symlink_to(path)
    return StandIn(folder, type(model).__name__, layers)


def small_files(model_folder: Path) -> Iterator[Path]:
    """Tokenizer, chat template and generation config: all that is no weight and no configuration of the model."""
    for path in sorted(model_folder.resolve().iterdir()):
        if path.is_file() and path.name != "config.json" and not path.name.endswith(WEIGHTS):
            yield path


def read_config(model_folder: Path) -> PretrainedConfig:
    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(model_folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoStandIn(f"transformers cannot read the model's config.json: {_first_line(error)}") from error
    return config


def build(config: PretrainedConfig) -> tuple[PreTrainedModel, Layers]:
    """The smallest model with a layer of every kind. Raises `NoStandIn` when no shape of it can be built and run."""
    objection: Exception | None = None
    for shape in SHAPES:
        try:
            narrowed = narrow(_values(config), shape)
            layers = choose_layers(type(config), narrowed)
            model = _random_model(_config(type(config), keep_layers(narrowed, layers.stands_for)))
            _try(model)
        except NoStandIn:
            raise
        except Exception as error:  # whatever an architecture objects to, another shape may suit it
            objection = error
        else:
            return model, layers
    raise NoStandIn(f"a small {config.model_type} cannot be built: {_first_line(objection)}") from objection


def _values(config: PretrainedConfig) -> dict[str, Any]:
    values = config.to_dict()
    for name in ("quantization_config", "dtype", "auto_map"):
        values.pop(name, None)
    return values


def _config(kind: type[PretrainedConfig], values: Mapping[str, Any]) -> PretrainedConfig:
    return kind.from_dict(dict(values))


def choose_layers(kind: type[PretrainedConfig], narrowed: Mapping[str, Any]) -> Layers:
    """One layer of each kind; where kinds follow from a layer's number, all layers up to the last new kind."""
    depth = depth_of(narrowed)
    whole = _without_weights(_config(kind, narrowed))
    names = tuple(name for name, _ in whole.named_modules())
    found = find_layers(whole, depth)
    if found is None:
        return Layers("", tuple(range(depth)), tuple(range(depth)), names)
    stack, layers = found
    told = [per_layer(narrowed, number) for number in range(depth)]
    kinds = kinds_of(layers, told)
    first = first_of_each(kinds)
    for kept in (first, tuple(range(first[-1] + 1)), tuple(range(depth))):
        got = _kinds_with(kind, narrowed, kept)
        if set(got) == set(kinds):
            return Layers(stack, kept, tuple(got.index(each) for each in kinds), names)
    raise NoStandIn(f"the {len(set(kinds))} kinds of layers in this {narrowed['model_type']} do not survive shrinking")


def _kinds_with(kind: type[PretrainedConfig], narrowed: Mapping[str, Any], kept: tuple[int, ...]) -> list[Any]:
    values = keep_layers(narrowed, kept)
    model = _without_weights(_config(kind, values))
    found = find_layers(model, len(kept))
    told = [per_layer(narrowed, number) for number in kept]
    return kinds_of(found[1], told) if found else []


def _without_weights(config: PretrainedConfig) -> PreTrainedModel:
    with torch.device("meta"):
        return _from_config(config)


def _random_model(config: PretrainedConfig) -> PreTrainedModel:
    """Always the same random weights: a rehearsal can be repeated."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _from_config(config, dtype=torch.float32)


def _from_config(config: PretrainedConfig, **arguments: Any) -> PreTrainedModel:
    """Without the kernels that config.json may ask for: they need a GPU."""
    config._attn_implementation = None
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config, **arguments)  # type: ignore[no-untyped-call]
    return model


def _try(model: PreTrainedModel) -> None:
    head: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    embeddings = {id(each.weight) for each in model.modules() if isinstance(each, torch.nn.Embedding) or each is head}
    parameters = sum(each.numel() for each in model.parameters() if id(each) not in embeddings)
    if parameters > MOST_PARAMETERS:
        raise NoStandIn(f"{model.config.model_type} stays too large: {parameters:,} parameters beside its embeddings")
    with torch.no_grad():
        model.train(False)(input_ids=torch.arange(8)[None], use_cache=False)


def _first_line(error: Exception | None) -> str:
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__
