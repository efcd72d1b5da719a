"""What a job will take: rows, steps, download, memory. What cannot be reckoned is None, with the reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import median
from typing import Any

from .aim import leaf, pieces
from .disk import CHECKPOINT_SECONDS, KEPT_CHECKPOINTS, Saving, fullest
from .memory import FLOAT32, HALF, Part, Plan, Shape, inputs_kept, lora_parameters, outputs_made, peak, total, weights
from .rules.cache import TO_FETCH
from .steps import held_out, total_steps
from .targets import Tree, is_all_linear, read_modules, resolve
from .vocabulary import FACTS
from .words import count, names


@dataclass(frozen=True)
class Place:
    """A GPU, or the machine's own memory (index None), and whether the job fits: fits, tight, exceeded or unknown."""

    index: int | None
    name: str
    memory: int
    verdict: str


TIGHT = 0.85
"""Above this share of a place the rest is soon used up by fragments and by what the driver takes for itself."""

LIBRARIES = 480 * 10**6
"""What Python, torch, transformers and TRL take of the machine's memory once imported, measured on Linux."""


def verdict(needed: int | None, memory: int) -> str:
    """Whether so much fits into a place: fits, tight, exceeded or unknown."""
    if needed is None:
        return "unknown"
    if needed > memory:
        return "exceeded"
    return "tight" if needed > TIGHT * memory else "fits"


@dataclass(frozen=True)
class Estimate:
    """Counts, bytes and seconds. `rows` are trained on, `eval_rows` held out; `unknown` has a reason for each None.

    `gpus` are the places where the job could run; `seconds` and `gpu_hours` are of the whole run, reckoned from
    earlier jobs as `basis` says; `error_so_far` is how far memory has been off here, in words.
    """

    rows: int | None = None
    eval_rows: int | None = None
    steps: int | None = None
    download_bytes: int | None = None
    download_seconds: int | None = None
    trainable_parameters: int | None = None
    memory: tuple[Part, ...] | None = None
    disk: tuple[Part, ...] | None = None
    tokens_per_step: int | None = None
    gpus: tuple[Place, ...] = ()
    seconds: int | None = None
    gpu_hours: float | None = None
    basis: str = ""
    error_so_far: str = ""
    unknown: Mapping[str, str] = field(default_factory=dict)

    @property
    def memory_bytes(self) -> int | None:
        """The peak: on a GPU of its memory, else of the process's, without what Python itself takes."""
        return None if self.memory is None else total(self.memory)

    @property
    def disk_bytes(self) -> int | None:
        """What the run takes of the disk when it is fullest, with the download."""
        return None if self.disk is None else total(self.disk)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON; `memory` and `disk` are lists of `{"name", "bytes", "how"}` that add up to `…_bytes`."""
        plain = {
            "memory": [asdict(part) for part in self.memory or ()],
            "memory_bytes": self.memory_bytes,
            "disk": [asdict(part) for part in self.disk or ()],
            "disk_bytes": self.disk_bytes,
            "gpus": [asdict(place) for place in self.gpus],
            "unknown": dict(self.unknown),
        }
        return {**asdict(self), **plain}


class Unknown(Exception):
    """An amount cannot be reckoned; the text says why."""


class Facts:
    """Facts by name. Asking for one that is not there raises Unknown with its meaning."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._known = {name: value for name, value in facts.items() if value is not None}

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            raise Unknown(f"It is not known: {FACTS[name].meaning}.")
        return self._known[name]

    @property
    def known(self) -> Mapping[str, Any]:
        return self._known

    def get(self, name: str, default: Any = None) -> Any:
        return self._known.get(name, default)


def estimate(facts: Mapping[str, Any]) -> Estimate:
    """Reckon what the facts allow. Never raises on a missing fact."""
    known, amounts, unknown = Facts(facts), {}, {}
    for name, reckon in _RECKONED.items():
        try:
            amounts[name] = reckon(known)
        except Unknown as reason:
            unknown[name] = str(reason)
    memory = amounts.get("memory")
    places = _places(known, total(memory) if memory else None)
    return Estimate(**amounts, gpus=places, unknown=unknown)


def _places(facts: Facts, needed: int | None) -> tuple[Place, ...]:
    """Where the job could run: each GPU, or without one the machine itself, which holds the libraries too."""
    gpus = facts.get("gpu_list", ())
    if not gpus and facts.get("gpus") == 0 and facts.get("ram"):
        whole = None if needed is None else needed + LIBRARIES
        return (Place(None, "Memory of this machine", facts["ram"], verdict(whole, facts["ram"])),)
    return tuple(Place(gpu["index"], gpu["name"], gpu["memory"], verdict(needed, gpu["memory"])) for gpu in gpus)


def memory_needed(facts: Mapping[str, Any]) -> tuple[int, int] | None:
    """Peak and weights alone in bytes, with the libraries where there is no GPU; None where it is not known."""
    known = Facts(facts)
    try:
        shape, plan = _shape(known), _plan(known)
    except Unknown:
        return None
    besides = LIBRARIES if plan.cpu else 0
    return int(total(peak(shape, plan)) * _factor(known)) + besides, weights(shape, plan) + besides


def _usable(facts: Facts) -> int:
    return int(facts["rows"] - facts["bad_row_count"])


def _eval_rows(facts: Facts) -> int:
    return held_out(_usable(facts), facts["eval_fraction"])


def _rows(facts: Facts) -> int:
    return _usable(facts) - _eval_rows(facts)


def _steps(facts: Facts) -> int:
    """Of the rows that are left once they are tokenised, where all of them were accounted for."""
    packing = facts.get("packing", False)
    packed = facts.get("packed_sequences") if packing else None
    steps = total_steps(
        packed or facts.get("rows_usable") or _usable(facts),
        facts["eval_fraction"],
        facts["batch_size"],
        facts["gradient_accumulation"],
        facts["num_epochs"],
        facts.get("max_steps"),
        packing and not packed,
        facts.get("num_processes", 1),
    )
    if steps is None:
        raise Unknown("Packing joins rows by their tokens." if packing else "There are no rows to train on.")
    return steps


def steps_of(facts: Mapping[str, Any]) -> int | None:
    """Optimizer steps of the run, None where they are not known."""
    try:
        return _steps(Facts(facts))
    except Unknown:
        return None


def disk_needed(facts: Mapping[str, Any]) -> Saving | None:
    """What the run saves, None where it is not known."""
    try:
        return _saving(Facts(facts))
    except Unknown:
        return None


def _disk(facts: Facts) -> tuple[Part, ...]:
    return fullest(_saving(facts))


def _saving(facts: Facts) -> Saving:
    """The trainer saves what it trained as it trained it: whole models in fp32, quantized ones' adapters in half."""
    lora, half = facts["lora_enabled"], facts.get("precision") != "fp16" and facts["quantization"] != "none"
    return Saving(
        trainable=_trainable(facts),
        vocabulary=facts["vocabulary_size"],
        width=HALF if lora and half else FLOAT32,
        optimizer=facts["optim"],
        method=facts["method"],
        rows_bytes=facts["dataset_bytes"],
        checkpoints=_checkpoints(facts),
        by_time=_checkpoints_by_time(facts),
        download=_fetched_beside(facts),
    )


def _fetched_beside(facts: Facts) -> int:
    """Bytes to download to the disk that the runs lie on."""
    if facts.get("models_apart", False) or facts.get("offline", False):
        return 0
    return int(facts.get("bytes_to_fetch", 0)) if facts.get("model_cache") in TO_FETCH else 0


def _checkpoints(facts: Facts) -> int:
    """How many the run must write: as often as was asked for, and where it stops early each that may be the best."""
    every = max(0, facts.get("save_steps") or 0)  # fewer than none is another rule's
    if facts.get("early_stopping_patience") and (facts.get("eval_dataset") or _eval_rows(facts)):
        evaluations = _times(facts, max(1, facts.get("eval_steps") or _steps_of_an_epoch(facts)))
        return evaluations + (_times(facts, every) if every else 0)
    return _times(facts, every) if every else 0


def _checkpoints_by_time(facts: Facts) -> int:
    """As many as lie there at once, where nobody knows how long the run takes."""
    try:
        seconds = _seconds(facts)
    except Unknown:
        seconds = CHECKPOINT_SECONDS * (KEPT_CHECKPOINTS + 1)
    return min(seconds // CHECKPOINT_SECONDS, steps_of(facts.known) or KEPT_CHECKPOINTS + 1, KEPT_CHECKPOINTS + 1)


def _times(facts: Facts, every: int) -> int:
    """How often something happens that happens at intervals and at the end; many times where nobody knows."""
    steps = steps_of(facts.known)
    return math.ceil(steps / every) if steps else KEPT_CHECKPOINTS + 1


def _steps_of_an_epoch(facts: Facts) -> int:
    rows, batch, accumulation = _rows(facts), facts["batch_size"], facts["gradient_accumulation"]
    return total_steps(rows, 0, batch, accumulation, 1, num_processes=facts.get("num_processes", 1)) or 1


def _download_bytes(facts: Facts) -> int:
    return int(facts["bytes_to_fetch"]) if facts["model_cache"] in TO_FETCH else 0


def _download_seconds(facts: Facts) -> int:
    amount = _download_bytes(facts)
    return round(amount / facts["bytes_per_second"]) if amount else 0


def _shape(facts: Facts) -> Shape:
    tree = _tree(facts)
    linear, largest = tree.remember("linear", lambda: _linear(tree)) if tree else (0, 0)
    return Shape(
        parameters=facts["parameters"],
        hidden=facts["hidden_size"],
        intermediate=facts.get("active_width") or facts["intermediate_size"],
        attention=facts["attention_width"],
        key_value=facts["key_value_width"],
        layers=facts["layers"],
        vocabulary=facts["vocabulary_size"],
        linear=linear,
        largest_linear=largest,
    )


def _linear(tree: Tree) -> tuple[int, int]:
    """Parameters of all linear layers but the head, and of the largest one."""
    linear = [each for each in tree.modules if each.is_linear and each.role != "head"]
    all_of_them = sum(each.count * each.inputs * each.outputs for each in linear)
    return all_of_them, max((each.inputs * each.outputs for each in linear), default=0)


def _tree(facts: Facts) -> Tree | None:
    modules = facts.get("modules")
    return read_modules(modules, facts.get("renamed_targets")) if modules else None


def _trainable(facts: Facts) -> int:
    if not facts["lora_enabled"]:
        return int(facts["parameters"])
    if (tree := _tree(facts)) and (given := facts.get("target_modules") or facts.get("lora_targets")):
        given = given if isinstance(given, str) else tuple(given)
        found = resolve(given, tree, facts["lora_r"], dora=facts.get("use_dora", False))
        if not found.problem:
            return found.trainable
    targets = _targets(facts)
    amount = lora_parameters(_shape(facts), targets, facts["lora_r"])
    if amount is None:
        raise Unknown(f"It does not follow from the names how large {names(targets)} are.")
    return amount


def _targets(facts: Facts) -> list[str]:
    """Names of the modules that get an adapter. All linear layers are about the recommended ones."""
    chosen = facts.get("target_modules") or facts["lora_targets"]
    if isinstance(chosen, str):
        if not is_all_linear(chosen):
            raise Unknown("LoRA targets are given as a pattern.")
        chosen = facts["lora_targets"]
    reached = [leaf(name) for name in pieces(tuple(chosen))]
    if set(reached) & set(facts.get("expert_modules", ())):
        raise Unknown("LoRA reaches expert matrices.")
    return reached


def _memory(facts: Facts) -> tuple[Part, ...]:
    factor, parts = _factor(facts), peak(_shape(facts), _plan(facts))
    return tuple(replace(part, bytes=int(part.bytes * factor)) for part in parts)


def _factor(facts: Facts) -> float:
    """What earlier jobs of this kind teach to multiply with."""
    return correction(facts.get("memory_history", {}).get(kind_of(facts), ()))


MOST_CORRECTED = 2.0
AS_GOOD_AS = 3
"""Jobs that the formula itself weighs as much as, so that a single odd job moves little."""


def kind_of(facts: Mapping[str, Any] | Facts) -> str:
    """What jobs have in common whose memory and pace can be held against each other."""
    device = "gpu" if facts.get("gpus") else "cpu"
    trained = "lora" if facts.get("lora_enabled") else "full"
    activations = "checkpointed" if facts.get("gradient_checkpointing") else "kept"
    together = f" on {processes}" if (processes := facts.get("num_processes") or 1) > 1 else ""
    return f"{device} {facts.get('method')} {trained} {facts.get('quantization')} {activations}{together}"


def correction(jobs: Sequence[Sequence[float]]) -> float:
    """What predictions are multiplied with: measured by predicted on geometric average, drawn towards 1, bounded."""
    off = sum(math.log(measured / predicted) for predicted, measured in jobs)
    return min(MOST_CORRECTED, max(1 / MOST_CORRECTED, math.exp(off / (len(jobs) + AS_GOOD_AS))))


def work_of_a_step(facts: Mapping[str, Any]) -> float | None:
    """Tokens × parameters of one step on one device, which its duration follows; tokens as memory counts them."""
    known = Facts(facts)
    try:
        plan = _plan(known)
        return float(plan.tokens * known.get("gradient_accumulation", 1) * known["parameters"])
    except Unknown:
        return None


def _pace(facts: Facts) -> list[float]:
    """Seconds for one token and parameter, of earlier jobs of the same kind."""
    return [seconds / work for work, seconds in facts.get("pace_history", {}).get(kind_of(facts), ()) if work]


def _seconds(facts: Facts) -> int:
    paces, work = _pace(facts), work_of_a_step(facts.known)
    if not paces:
        raise Unknown("No job of this kind has finished on this machine yet.")
    if work is None:
        raise Unknown("It is not known how large a step is.")
    return round(_steps(facts) * median(paces) * work)


def _gpu_hours(facts: Facts) -> float | None:
    seconds = _seconds(facts)
    return round(seconds * facts.get("num_processes", 1) / 3600, 3) if facts["gpus"] else None


def _basis(facts: Facts) -> str:
    paces = _pace(facts)
    if len(paces) < 2:
        return f"from {count(len(paces), 'job')} of this kind here" if paces else ""
    off = sorted(median(paces) / pace - 1 for pace in paces)
    return f"from {count(len(paces), 'job')} of this kind here, for which it was off by {_range(off)}"


def _error_so_far(facts: Facts) -> str:
    """How far the formula was off for earlier jobs of this kind, above what was measured as plus."""
    jobs = facts.get("memory_history", {}).get(kind_of(facts), ())
    if not jobs:
        return ""
    off = sorted(predicted / measured - 1 for predicted, measured in jobs)
    return f"{count(len(jobs), 'job')} of this kind here: the formula was off by {_range(off)}."


def _range(shares: Sequence[float]) -> str:
    """From the least to the most of rising numbers; said once where both read alike."""
    least, most = f"{shares[0]:+.0%}", f"{shares[-1]:+.0%}"
    return least if least == most else f"{least} … {most}"


def _plan(facts: Facts) -> Plan:
    """The trainer's own choices: 16 bits on a GPU unless fp32 was asked for, frozen weights held in it too."""
    on_cpu = facts["gpus"] == 0
    half = facts["precision"] in ("bf16", "fp16") or (facts["precision"] == "auto" and not on_cpu)
    lora = facts["lora_enabled"]
    return Plan(
        sequences=facts["batch_size"],
        length=_length(facts),
        trainable=_trainable(facts),
        lora=lora,
        rank=facts.get("lora_r", 0),
        dpo=facts["method"] == "dpo",
        checkpointing=facts["gradient_checkpointing"],
        half=half,
        half_weights=half and lora and not on_cpu,
        optimizer=facts["optim"],
        quantization=facts["quantization"],
        cpu=on_cpu,
        accumulates=facts.get("gradient_accumulation", 1) > 1,
        together=facts.get("num_processes", 1) > 1,
        **(_adapters(facts) if lora else {}),
    )


def _adapters(facts: Facts) -> dict[str, Any]:
    """How many modules of a layer are adapted and what they keep; of a pattern the most is taken."""
    shape = _shape(facts)
    try:
        targets = _targets(facts)
    except Unknown:
        return {"dora": outputs_made(shape, ["a pattern"])} if facts.get("use_dora", False) else {}
    dora = outputs_made(shape, targets) if facts.get("use_dora", False) else 0
    return {"adapted": len(targets), "kept": inputs_kept(shape, targets), "dora": dora}


BYTES_A_TOKEN = 3
"""English has more bytes to a token and few writings have less, so this counts rather too many tokens."""


def _length(facts: Facts) -> int:
    """Tokens of the longest row, as far as it is kept. Packing fills every row."""
    kept, ceiling = int(facts["max_length"]), int(facts["token_ceiling"])
    return kept if facts.get("packing", False) else min(kept, max(1, ceiling // BYTES_A_TOKEN))


def rows_longer(row_tokens: Sequence[Sequence[int]], length: int) -> int:
    """About how many rows have more tokens, told from bars of a histogram: [longest of the bar, rows]."""
    shorter, longer = 0, 0.0
    for longest, rows in row_tokens:
        inside = (longest - max(shorter, length)) / (longest - shorter) if longest > shorter else longest > length
        longer += rows * min(1.0, max(0.0, inside))
        shorter = longest
    return round(longer)


def _tokens_per_step(facts: Facts) -> int:
    """Tokens that one step reads, without padding. Packing fills every sequence."""
    together = facts.get("gradient_accumulation", 1) * facts.get("num_processes", 1)
    sequences, length = facts["batch_size"] * together, facts["max_length"]
    if facts.get("packing", False):
        return int(sequences * length)
    average = _average_tokens(facts.get("row_tokens", ()), length) or float(min(facts["average_tokens"], length))
    return int(sequences * average * (2 if facts["method"] == "dpo" else 1) + 0.5)


def _average_tokens(row_tokens: Sequence[Sequence[int]], length: int) -> float | None:
    """Of a row as far as it is kept: rows are taken to lie evenly within their bar."""
    shorter, tokens, rows = 0, 0.0, 0
    for longest, number in row_tokens:
        tokens += number * min(length, (shorter + 1 + longest) / 2)
        rows, shorter = rows + number, longest
    return tokens / rows if rows else None


_RECKONED: Mapping[str, Callable[[Facts], Any]] = {
    "rows": _rows,
    "eval_rows": _eval_rows,
    "steps": _steps,
    "download_bytes": _download_bytes,
    "download_seconds": _download_seconds,
    "trainable_parameters": _trainable,
    "memory": _memory,
    "disk": _disk,
    "tokens_per_step": _tokens_per_step,
    "seconds": _seconds,
    "gpu_hours": _gpu_hours,
    "basis": _basis,
    "error_so_far": _error_so_far,
}
