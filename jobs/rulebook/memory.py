"""Peak memory of a training run, in named parts, by arithmetic on the model's shape.

The formula was fitted to measured runs of SmolLM2-135M on a CPU with transformers 5.23, TRL 1.16 and PEFT 0.21;
docs/performance.md has how well it does. On a GPU it is the same formula without the CPU's temporaries, and was not
measured; what the driver and its kernels take for themselves is not in it. An evaluation never takes more: its batch
is as large, and it keeps nothing for a backward pass. All amounts are bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .words import magnitude

FLOAT32, HALF = 4, 2
TILE_TOKENS, TILE_WORDS = 4096, 32768
"""TRL computes the loss in tiles of this many tokens and vocabulary rows."""

CPU_TEMPORARIES = 7
"""Copies of a tile that the loss holds on a CPU; the fused kernel of a GPU holds none."""

WORKING_LIBRARIES = 45 * 2**20
"""What torch, datasets and tokenizers take beyond their import once they work, measured on a CPU."""
BYTES_PER_TOKENIZER_ENTRY = 1000
"""SmolLM2's 49,152 entries took 45 MiB."""

BYTES_PER_QUANTIZED = {"4bit": 0.516, "8bit": 1.0}
OPTIMIZER_COPIES = {
    "adamw_torch": 2.0, "adamw_torch_fused": 2.0, "rmsprop": 1.0, "adagrad": 1.0, "adafactor": 0.02, "sgd": 0.0,
    "adamw_8bit": 0.5, "paged_adamw_8bit": 0.5,
}  # fmt: skip
"""Optimizer state in copies of the trained weights (of four bytes each)."""


@dataclass(frozen=True)
class Part:
    """One share of the memory: what it is, and how it was reckoned."""

    name: str
    bytes: int
    how: str


@dataclass(frozen=True)
class Shape:
    """Sizes of a model. Widths are in numbers per token; `attention` is heads × head size.

    `intermediate` is what one token goes through in the MLP: of a mixture, the experts it visits. `linear` are the
    parameters of the linear layers but the head, which is all that bitsandbytes quantizes, and `largest_linear` those
    of the largest one; 0 takes everything but the embedding, and one matrix of the MLP.
    """

    parameters: int
    hidden: int
    intermediate: int
    attention: int
    key_value: int
    layers: int
    vocabulary: int
    linear: int = 0
    largest_linear: int = 0


@dataclass(frozen=True)
class Plan:
    """What of a job decides its memory. `half` computes in 16 bits, `half_weights` also holds the base so.

    `accumulates` means several batches a step, `together` several processes. Of LoRA, `adapted` counts the modules of
    a layer that carry it, and `kept` the numbers per token that they keep of their inputs; None takes those of all
    linear layers. `dora` are the numbers per token that modules adapted by DoRA write, 0 without it.
    """

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
    accumulates: bool = False
    together: bool = False
    adapted: int = 7
    kept: int | None = None
    dora: int = 0

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


def inputs_kept(shape: Shape, targets: Iterable[str]) -> int:
    """Numbers per token and layer that adapters on these modules keep; those side by side share an input."""
    widths = _input_widths(shape)
    kinds = {_KIND_READ.get(target) for target in targets}
    if None in kinds:
        return 2 * shape.hidden + shape.attention + shape.intermediate
    return sum(widths[str(kind)] for kind in kinds)


def outputs_made(shape: Shape, targets: Iterable[str]) -> int:
    """Numbers per token and layer that these modules write; of an unknown one, those that all linear layers write."""
    sides, widths, targets = _sides(shape), _input_widths(shape), tuple(targets)
    if not all(target in sides for target in targets):
        return 2 * shape.hidden + shape.attention + 2 * shape.key_value + 2 * shape.intermediate
    return sum(sides[target] - widths[_KIND_READ[target]] for target in targets)


def _input_widths(shape: Shape) -> Mapping[str, int]:
    return {"norm": shape.hidden, "attention": shape.attention, "second norm": shape.hidden,
            "mlp": shape.intermediate, "both": shape.attention + shape.intermediate}  # fmt: skip


_READS = {
    "norm": ("q_proj", "k_proj", "v_proj", "c_attn", "query_key_value", "qkv_proj", "Wqkv"),
    "attention": ("o_proj", "out_proj", "dense"),
    "second norm": ("gate_proj", "up_proj", "gate_up_proj", "fc1", "fc_in", "c_fc", "dense_h_to_4h"),
    "mlp": ("down_proj", "fc2", "fc_out", "dense_4h_to_h"),
    "both": ("c_proj",),
}
"""What the modules of a name read."""
_KIND_READ = {name: kind for kind, names in _READS.items() for name in names}


def peak(shape: Shape, plan: Plan) -> tuple[Part, ...]:
    """The parts that are held at once when memory is fullest; they add up to the peak.

    That is while the loss is computed, at the end of the backward pass, when all gradients are there, or in the
    optimizer's step.
    """
    held = _held(shape, plan)
    kept = (_gradients(plan),) if plan.accumulates else ()
    at_loss = (*held, *kept, _activations(shape, plan), *_autocast(shape, plan), *_head(shape, plan))
    at_end = (*held, _gradients(plan), _last_layers(shape, plan))
    at_step = (*held, _gradients(plan), *_working_copies(plan))
    return max(at_loss, at_end, at_step, key=total)


def weights(shape: Shape, plan: Plan) -> int:
    """Bytes of the weights alone: without them on the device, nothing can be trained there."""
    return _weights(shape, plan).bytes


def total(parts: Iterable[Part]) -> int:
    return sum(part.bytes for part in parts)


def _held(shape: Shape, plan: Plan) -> tuple[Part, ...]:
    """What is there from the second step on: weights, adapter, reference, optimizer."""
    parts = [_weights(shape, plan), *_libraries(shape, plan)]
    if plan.lora:
        adapter = plan.trainable * plan.trained_weight
        how = f"{magnitude(plan.trainable)} × {plan.trained_weight} bytes"
        parts.append(Part("Adapter", adapter, how))
    if plan.dpo and not plan.lora:
        parts.append(Part("Reference model", shape.parameters * plan.weight, "DPO keeps an unchanged copy"))
    if plan.together:
        exchanged = plan.trainable * plan.trained_weight
        parts.append(Part("Gradients exchanged", exchanged, "copies that the processes average"))
    copies = OPTIMIZER_COPIES[plan.optimizer]
    parts.append(
        Part("Optimizer", int(copies * plan.trainable * plan.trained_weight), f"{copies:g} × the trained weights")
    )
    return tuple(parts)


def _libraries(shape: Shape, plan: Plan) -> tuple[Part, ...]:
    """On a CPU the process's memory counts: what its libraries take once they work, and the tokenizer."""
    if not plan.cpu:
        return ()
    tokenizer = BYTES_PER_TOKENIZER_ENTRY * shape.vocabulary
    return (Part("Tokenizer and libraries", WORKING_LIBRARIES + tokenizer, f"{shape.vocabulary} tokens, measured"),)


def _weights(shape: Shape, plan: Plan) -> Part:
    """bitsandbytes packs linear layers; embeddings, head and the experts of a mixture stay as they are."""
    if plan.quantization == "none":
        return Part("Weights", shape.parameters * plan.weight, f"{magnitude(shape.parameters)} × {plan.weight} bytes")
    linear = _linear(shape)
    largest = shape.largest_linear or shape.hidden * shape.intermediate
    each, rest = BYTES_PER_QUANTIZED[plan.quantization], shape.parameters - linear
    amount = int(linear * each) + rest * plan.compute + largest * plan.compute
    how = f"{magnitude(linear)} in linear layers × {each:g} bytes, {magnitude(rest)} others × {plan.compute}, "
    return Part("Weights", amount, f"{how}the largest layer unpacked")


def _per_token(shape: Shape, plan: Plan) -> int:
    """Bytes that one layer keeps of one token for the backward pass, counted on Llama's layer.

    Always what the norms and the attention read (the stream twice in fp32; query, keys, values and what comes out)
    and three of the MLP's width (gate, its activation, up); besides the inputs of those linear layers that learn.
    """
    attention = 2 * shape.attention + 2 * shape.key_value
    amount = 2 * FLOAT32 * shape.hidden + plan.compute * (attention + 3 * shape.intermediate)
    return amount + (_kept_by_adapters(shape, plan) if plan.lora else _kept_by_weights(shape, plan))


def _kept_by_weights(shape: Shape, plan: Plan) -> int:
    """Full fine-tuning: what the norms' weights were multiplied with, and the input of every linear layer.

    Autocast makes a copy in 16 bits for each of the five layers that read the stream.
    """
    reads = 5 if plan.half and not plan.half_weights else 2
    inputs = reads * shape.hidden + shape.attention + shape.intermediate
    return 2 * FLOAT32 * shape.hidden + plan.compute * inputs


def _kept_by_adapters(shape: Shape, plan: Plan) -> int:
    """LoRA: the inputs of the adapted layers in fp32, as the adapters are, and the narrow numbers between both halves.

    A frozen layer keeps nothing. Where the base is in 16 bits its own inputs were found to stay as well. DoRA scales
    what the layer and its adapter write, and keeps both.
    """
    every = 2 * shape.hidden + shape.attention + shape.intermediate
    kept = every if plan.kept is None else plan.kept
    amount = FLOAT32 * (kept + plan.adapted * plan.rank) + 2 * plan.compute * plan.dora
    if plan.half_weights:
        amount += 2 * FLOAT32 * shape.hidden * kept // every + plan.compute * every
    return amount


def _activations(shape: Shape, plan: Plan) -> Part:
    """With checkpointing one and a half layers in full; of the others only their inputs."""
    layer = plan.tokens * _per_token(shape, plan)
    if not plan.checkpointing:
        return Part("Activations", shape.layers * layer, f"{plan.tokens} tokens through {shape.layers} layers")
    inputs = shape.layers * plan.tokens * shape.hidden * plan.weight  # the stream is as wide as the weights
    return Part("Activations", inputs + layer * 3 // 2, f"{plan.tokens} tokens, with gradient checkpointing")


def _autocast(shape: Shape, plan: Plan) -> tuple[Part, ...]:
    """Weights in fp32 are kept a second time in 16 bits; with checkpointing only for a moment.

    Of frozen ones those of linear layers, which the backward pass multiplies with.
    """
    if not plan.half or plan.half_weights or plan.checkpointing:
        return ()
    copied = _linear(shape) if plan.lora else shape.parameters
    return (Part("Weights in 16 bits", HALF * copied, "copies for the computation"),)


def _linear(shape: Shape) -> int:
    """Parameters of the linear layers but the head."""
    return shape.linear or max(0, shape.parameters - shape.vocabulary * shape.hidden)


def _head(shape: Shape, plan: Plan) -> tuple[Part, ...]:
    tokens = min(plan.tokens, TILE_TOKENS)
    tile = tokens * TILE_WORDS * plan.compute
    words = min(shape.vocabulary, TILE_WORDS)
    if plan.cpu:
        tile += CPU_TEMPORARIES * tokens * words * FLOAT32
    if plan.half and not plan.half_weights:
        tile += words * shape.hidden * HALF  # the head's weights of the tile, for the computation
    parts = [Part("Output layer", tile, f"one tile of {tokens} tokens × {TILE_WORDS} words")]
    if not plan.lora:
        copy = HALF if plan.half_weights else 0
        gradient = shape.vocabulary * shape.hidden * (FLOAT32 + copy)
        parts.append(Part("Output layer's gradient", gradient, "summed in fp32 (trl/kernels/chunked_logprob.py)"))
    return tuple(parts)


def _gradients(plan: Plan) -> Part:
    return Part("Gradients", plan.trainable * plan.trained_weight, "one for each trained parameter")


def _working_copies(plan: Plan) -> tuple[Part, ...]:
    """On a GPU torch's AdamW updates all weights at once, with one more copy of them while it does (`foreach`)."""
    if plan.cpu or plan.optimizer != "adamw_torch":
        return ()
    return (Part("Optimizer's step", plan.trainable * plan.trained_weight, "a copy of the trained weights"),)


def _last_layers(shape: Shape, plan: Plan) -> Part:
    return Part("Activations", plan.tokens * _per_token(shape, plan) * 3 // 2, "the last one and a half layers")
