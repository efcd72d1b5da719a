"""Peak memory of a training run, in named parts, by arithmetic on the model's shape.

The formula was fitted to measured runs of SmolLM2-135M on a CPU with transformers 5.23, TRL 1.16 and PEFT 0.21, and
met 16 of 18 within 9 %. On a GPU it is the same formula without the CPU's temporaries, and was not measured.
All amounts are bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

FLOAT32, HALF = 4, 2
TILE_TOKENS, TILE_WORDS = 4096, 32768
"""TRL computes the loss in tiles of this many tokens and vocabulary rows."""

CPU_TEMPORARIES = 7
"""Copies of a tile that the loss holds on a CPU; the fused kernel of a GPU holds none."""

BYTES_PER_QUANTIZED = {"4bit": 0.516, "8bit": 1.0}
OPTIMIZER_COPIES = {"adamw_torch": 2.0, "adafactor": 0.02, "sgd": 0.0, "adamw_8bit": 0.5, "paged_adamw_8bit": 0.5}
"""Optimizer state in copies of the trained weights (of four bytes each)."""


@dataclass(frozen=True)
class Part:
    """One share of the memory: what it is, and how it was reckoned."""

    name: str
    bytes: int
    how: str


@dataclass(frozen=True)
class Shape:
    """Sizes of a model. Widths are in numbers per token; `attention` is heads × head size."""

    parameters: int
    hidden: int
    intermediate: int
    attention: int
    key_value: int
    layers: int
    vocabulary: int


@dataclass(frozen=True)
class Plan:
    """What of a job decides its memory. `half` computes in 16 bits, `half_weights` also holds the base so."""

    sequences: int
    length: int
    trainable: int
    lora: bool
    rank: int
    dpo: bool
    checkpointing: bool
    half: bool
    half_weights: bool
    optimizer: str
    quantization: str
    cpu: bool

    @property
    def tokens(self) -> int:
        """Tokens in one forward pass; DPO reads chosen and rejected together."""
        return self.sequences * self.length * (2 if self.dpo else 1)

    @property
    def compute(self) -> int:
        """Bytes of a number in the computation."""
        return HALF if self.half else FLOAT32

    @property
    def weight(self) -> int:
        """Bytes of a base weight."""
        return HALF if self.half_weights else FLOAT32

    @property
    def trained_weight(self) -> int:
        if not self.lora:
            return self.weight
        return HALF if self.quantization != "none" else FLOAT32


def lora_parameters(shape: Shape, targets: Iterable[str], rank: int) -> int | None:
    """Parameters of a LoRA adapter: rank × (inputs + outputs) of each target, in each layer.

    None when a target's inputs and outputs do not follow from its name.
    """
    sides = _sides(shape)
    if any(target not in sides for target in targets):
        return None
    return rank * shape.layers * sum(sides[target] for target in targets)


def _sides(shape: Shape) -> Mapping[str, int]:
    """Inputs + outputs of the modules that bear a name, in one layer."""
    hidden, inner, query, key_value = shape.hidden, shape.intermediate, shape.attention, shape.key_value
    fused = hidden + query + 2 * key_value
    into, out_of = hidden + inner, inner + hidden
    return {
        "q_proj": hidden + query, "k_proj": hidden + key_value, "v_proj": hidden + key_value,
        "o_proj": query + hidden, "out_proj": query + hidden, "dense": query + hidden,
        "gate_proj": into, "up_proj": into, "fc1": into, "fc_in": into, "c_fc": into, "dense_h_to_4h": into,
        "down_proj": out_of, "fc2": out_of, "fc_out": out_of, "dense_4h_to_h": out_of,
        "gate_up_proj": hidden + 2 * inner,
        "c_attn": fused, "query_key_value": fused, "qkv_proj": fused, "Wqkv": fused,
        "c_proj": (query + hidden) + out_of,  # GPT-2 calls two modules so
    }  # fmt: skip


def peak(shape: Shape, plan: Plan) -> tuple[Part, ...]:
    """The parts that are held at once when memory is fullest; they add up to the peak.

    That is either while the loss is computed, or at the end of the backward pass, when all gradients are there.
    """
    held = _held(shape, plan)
    at_loss = (*held, _activations(shape, plan), *_autocast(shape, plan), *_head(shape, plan))
    at_end = (*held, _gradients(plan), _last_layers(shape, plan))
    return max(at_loss, at_end, key=total)


def total(parts: Iterable[Part]) -> int:
    return sum(part.bytes for part in parts)


def _held(shape: Shape, plan: Plan) -> tuple[Part, ...]:
    """What is there from the second step on: weights, adapter, reference, optimizer."""
    parts = [_weights(shape, plan)]
    if plan.lora:
        adapter = plan.trainable * plan.trained_weight
        parts.append(Part("Adapter", adapter, f"{plan.trainable} parameters × {plan.trained_weight}"))
    if plan.dpo and not plan.lora:
        parts.append(Part("Reference model", shape.parameters * plan.weight, "DPO keeps an unchanged copy"))
    copies = OPTIMIZER_COPIES[plan.optimizer]
    parts.append(
        Part("Optimizer", int(copies * plan.trainable * plan.trained_weight), f"{copies:g} × the trained weights")
    )
    return tuple(parts)


def _weights(shape: Shape, plan: Plan) -> Part:
    if plan.quantization == "none":
        return Part("Weights", shape.parameters * plan.weight, f"{shape.parameters} parameters × {plan.weight}")
    embedding = min(shape.vocabulary * shape.hidden, shape.parameters)
    each = BYTES_PER_QUANTIZED[plan.quantization]
    amount = int((shape.parameters - embedding) * each) + embedding * plan.compute
    return Part("Weights", amount, f"linear weights × {each:g}, the embedding × {plan.compute}")


def _per_token(shape: Shape, plan: Plan) -> int:
    """Bytes that one layer keeps of one token for the backward pass."""
    widths = shape.hidden + shape.attention + shape.key_value + shape.intermediate
    amount = 8 * shape.hidden + 4 * plan.compute * widths
    if plan.lora:
        cast = 4 * (4 * shape.hidden + shape.intermediate) if plan.half_weights else 0
        amount += 28 * plan.rank + cast
    return amount


def _activations(shape: Shape, plan: Plan) -> Part:
    """One and a half layers in full; of the others only their inputs, if they are computed twice."""
    layer = plan.tokens * _per_token(shape, plan)
    if not plan.checkpointing:
        return Part("Activations", shape.layers * layer, f"{plan.tokens} tokens through {shape.layers} layers")
    inputs = shape.layers * plan.tokens * shape.hidden * plan.compute
    return Part("Activations", inputs + layer * 3 // 2, f"{plan.tokens} tokens, with gradient checkpointing")


def _autocast(shape: Shape, plan: Plan) -> tuple[Part, ...]:
    """Trained fp32 weights are kept a second time in 16 bits; with checkpointing only for a moment."""
    if plan.lora or not plan.half or plan.half_weights or plan.checkpointing:
        return ()
    return (Part("Weights in 16 bits", 2 * shape.parameters, "copies for the computation"),)


def _head(shape: Shape, plan: Plan) -> tuple[Part, ...]:
    tokens = min(plan.tokens, TILE_TOKENS)
    tile = tokens * TILE_WORDS * plan.compute
    if plan.cpu:
        tile += CPU_TEMPORARIES * tokens * min(shape.vocabulary, TILE_WORDS) * FLOAT32
    parts = [Part("Output layer", tile, f"one tile of {tokens} tokens × {TILE_WORDS} words")]
    if not plan.lora:
        gradient = shape.vocabulary * shape.hidden * (FLOAT32 + plan.weight)
        parts.append(Part("Output layer's gradient", gradient, "summed in fp32, then in the weights' format"))
    return tuple(parts)


def _gradients(plan: Plan) -> Part:
    return Part("Gradients", plan.trainable * plan.trained_weight, "one for each trained parameter")


def _last_layers(shape: Shape, plan: Plan) -> Part:
    return Part("Activations", plan.tokens * _per_token(shape, plan) * 3 // 2, "the last one and a half layers")
