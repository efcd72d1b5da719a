"""Every setting a user may turn, one row each: type, limits, recommended range, default, label, help.

Form fields, serializer fields, the OpenAPI schema, the limit rules and the documentation are made from these
rows. Names and meanings are those of TRL, PEFT and transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a value is read as."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    NAMES = "names"


@dataclass(frozen=True)
class Setting:
    """One row. `above` and `below` are exclusive limits, `minimum` and `maximum` inclusive ones.

    `recommended` is the range (both ends included) outside which a value is only warned about, `per_method`
    replaces `default` and `recommended` for a training method, `applies` names a fact and the value it must
    have for this setting to matter, `why` is the reason for the limits, `unusual` says what happens below and
    above the recommended range.
    """

    path: str
    fact: str
    kind: Kind
    label: str
    help: str
    default: Any = None
    required: bool = False
    nullable: bool = False
    above: float | None = None
    below: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    recommended: tuple[float, float] | None = None
    per_method: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)
    applies: tuple[str, Any] | None = None
    advanced: bool = False
    slider: bool = False
    step: float | None = None
    why: str = ""
    unusual: tuple[str, str] = ("", "")

    @property
    def group(self) -> str:
        """The part of the specification it lies in: `model`, `data`, `training`, `lora`, or "" at the top."""
        return self.path.rpartition(".")[0]

    @property
    def has_limits(self) -> bool:
        return any(limit is not None for limit in (self.above, self.below, self.minimum, self.maximum))

    def admits(self, value: Any) -> bool:
        """The value lies within the limits; a text is measured by its length."""
        size = len(value) if isinstance(value, str | tuple) else value
        return (
            (self.above is None or size > self.above)
            and (self.below is None or size < self.below)
            and (self.minimum is None or size >= self.minimum)
            and (self.maximum is None or size <= self.maximum)
        )

    def default_for(self, method: str | None) -> Any:
        return self.per_method.get(method or "", {}).get("default", self.default)

    def recommended_for(self, method: str | None) -> tuple[float, float] | None:
        value: tuple[float, float] | None = self.per_method.get(method or "", {}).get("recommended", self.recommended)
        return value


LORA = ("lora_enabled", True)
DPO = ("method", "dpo")

_ROWS = (
    Setting(
        "name",
        "job_name",
        Kind.TEXT,
        "Job name",
        "How the job is listed in your history.",
        nullable=True,
        maximum=120,
        why="The history shows names in one line.",
    ),
    Setting("model.name", "model", Kind.TEXT, "Base model", "A model of the catalogue.", required=True),
    Setting(
        "model.revision",
        "revision",
        Kind.TEXT,
        "Revision",
        "Branch, tag or commit of the model's repository. Empty means the newest.",
        nullable=True,
        advanced=True,
    ),
    Setting("data.dataset", "dataset", Kind.TEXT, "Dataset", "One of your uploaded datasets.", required=True),
    Setting(
        "data.strategy",
        "strategy",
        Kind.CHOICE,
        "Strategy",
        "How a row becomes text: through the model's chat template, or as it stands.",
        required=True,
        choices={
            "chat": "Chat: conversations, through the chat template",
            "standard": "Standard: plain text, as it stands",
        },
    ),
    Setting(
        "data.max_length",
        "max_length",
        Kind.INTEGER,
        "Maximum length",
        "Tokens kept of each row; longer rows are cut.",
        default=1024,
        minimum=8,
        maximum=1_048_576,
        why="A length of 0 or 1 leaves nothing to learn, and a negative one cuts from the end of each row.",
    ),
    Setting(
        "data.bad_rows",
        "bad_rows",
        Kind.CHOICE,
        "Bad rows",
        "What to do with rows that cannot be trained on.",
        default="refuse",
        choices={"refuse": "Refuse the job", "drop": "Leave them out"},
    ),
    Setting(
        "data.eval_fraction",
        "eval_fraction",
        Kind.NUMBER,
        "Held out for evaluation",
        "Share of the rows kept back to measure the loss on.",
        default=0.0,
        minimum=0,
        maximum=0.5,
        step=0.01,
        advanced=True,
        why="More than half held out leaves too little to train on.",
    ),
    Setting(
        "data.packing",
        "packing",
        Kind.BOOLEAN,
        "Packing",
        "Join short rows into full sequences. Faster on short rows.",
        default=False,
        applies=("method", "sft"),
        advanced=True,
    ),
    Setting(
        "training.method",
        "method",
        Kind.CHOICE,
        "Method",
        "SFT imitates the answers; DPO learns to prefer one answer over another.",
        required=True,
        choices={"sft": "SFT: supervised fine-tuning", "dpo": "DPO: direct preference optimization"},
    ),
    Setting(
        "training.num_epochs",
        "num_epochs",
        Kind.NUMBER,
        "Epochs",
        "How often every row is seen.",
        default=3,
        above=0,
        maximum=1000,
        recommended=(1, 10),
        step=0.5,
        slider=True,
        why="Zero or negative epochs take no step at all and report success.",
        unusual=(
            "Below one epoch some rows are never seen.",
            "After so many passes a model tends to repeat its rows instead of learning from them.",
        ),
    ),
    Setting(
        "training.max_steps",
        "max_steps",
        Kind.INTEGER,
        "Maximum steps",
        "Stop after this many steps, whatever the epochs say.",
        nullable=True,
        minimum=1,
        maximum=10_000_000,
        advanced=True,
        why="Zero runs one step with a learning rate of zero; a negative number is silently ignored.",
    ),
    Setting(
        "training.batch_size",
        "batch_size",
        Kind.INTEGER,
        "Batch size",
        "Rows per step on one device.",
        default=4,
        minimum=1,
        maximum=1024,
        recommended=(1, 8),
        slider=True,
        why="A batch of zero or less fails only when the first step starts, after all rows are tokenised.",
        unusual=("", "A large batch needs much memory; gradient accumulation gives the same steps for less."),
    ),
    Setting(
        "training.gradient_accumulation",
        "gradient_accumulation",
        Kind.INTEGER,
        "Gradient accumulation",
        "Batches added up before each step.",
        default=1,
        minimum=1,
        maximum=1024,
        advanced=True,
        why="Zero divides by zero; a negative number takes no step and reports success.",
    ),
    Setting(
        "training.learning_rate",
        "learning_rate",
        Kind.NUMBER,
        "Learning rate",
        "How far each step moves the weights.",
        default=2e-4,
        above=0,
        maximum=1,
        recommended=(1e-5, 5e-4),
        per_method={"dpo": {"default": 5e-6, "recommended": (5e-7, 5e-5)}},
        slider=True,
        why="Zero changes nothing, a negative rate fails at the first step, and a huge one turns the weights into NaN.",
        unusual=(
            "So small a rate hardly changes the model.",
            "So large a rate often makes the loss jump and the answers degenerate.",
        ),
    ),
    Setting(
        "training.seed",
        "seed",
        Kind.INTEGER,
        "Seed",
        "Same seed, same order of rows.",
        default=42,
        minimum=0,
        maximum=2**32 - 1,
        advanced=True,
        why="Random generators take seeds from 0 to 2³²−1.",
    ),
    Setting(
        "training.precision",
        "precision",
        Kind.CHOICE,
        "Precision",
        "Number format of the computation. Auto takes bf16 where the GPU has it.",
        default="auto",
        choices={"auto": "Auto", "bf16": "bf16", "fp16": "fp16", "fp32": "fp32"},
        advanced=True,
    ),
    Setting(
        "training.gradient_checkpointing",
        "gradient_checkpointing",
        Kind.BOOLEAN,
        "Gradient checkpointing",
        "Compute activations twice to save memory.",
        default=True,
        advanced=True,
    ),
    Setting(
        "training.beta",
        "beta",
        Kind.NUMBER,
        "DPO beta",
        "How closely DPO stays to the base model; higher is closer.",
        default=0.1,
        above=0,
        maximum=10,
        recommended=(0.01, 0.5),
        applies=DPO,
        step=0.01,
        why="With beta 0 DPO has no gradient and learns nothing.",
        unusual=("The model may drift far from its base.", "The model hardly moves away from its base."),
    ),
    Setting(
        "training.lr_scheduler_type",
        "lr_scheduler_type",
        Kind.CHOICE,
        "Scheduler",
        "How the learning rate falls over the run.",
        default="linear",
        choices={
            "linear": "Linear",
            "cosine": "Cosine",
            "constant": "Constant",
            "constant_with_warmup": "Constant with warm-up",
        },
        advanced=True,
    ),
    Setting(
        "training.warmup_steps",
        "warmup_steps",
        Kind.NUMBER,
        "Warm-up",
        "Below 1: share of all steps. From 1: number of steps.",
        default=0.0,
        minimum=0,
        maximum=1_000_000,
        step=0.01,
        advanced=True,
        why="A negative warm-up is refused by the trainer.",
    ),
    Setting(
        "training.weight_decay",
        "weight_decay",
        Kind.NUMBER,
        "Weight decay",
        "Pulls weights towards zero.",
        default=0.0,
        minimum=0,
        maximum=1,
        step=0.01,
        advanced=True,
        why="A negative decay makes weights grow without any error.",
    ),
    Setting(
        "training.optim",
        "optim",
        Kind.CHOICE,
        "Optimizer",
        "AdamW suits almost every run; the others save memory.",
        default="adamw_torch",
        choices={
            "adamw_torch": "AdamW",
            "adafactor": "Adafactor",
            "sgd": "SGD",
            "adamw_8bit": "AdamW, 8-bit",
            "paged_adamw_8bit": "AdamW, 8-bit, paged",
        },
        advanced=True,
    ),
    Setting(
        "training.max_grad_norm",
        "max_grad_norm",
        Kind.NUMBER,
        "Gradient clipping",
        "Longest gradient let through; 0 turns clipping off.",
        default=1.0,
        minimum=0,
        maximum=1000,
        step=0.1,
        advanced=True,
        why="A negative norm reverses every gradient without any error.",
    ),
    Setting(
        "training.eval_steps",
        "eval_steps",
        Kind.INTEGER,
        "Evaluate every",
        "Steps between evaluations. Empty means after each epoch.",
        nullable=True,
        minimum=1,
        maximum=10_000_000,
        advanced=True,
        why="Evaluations happen after whole steps.",
    ),
    Setting(
        "training.logging_steps",
        "logging_steps",
        Kind.INTEGER,
        "Log every",
        "Steps between two points of the loss curve.",
        default=1,
        minimum=1,
        maximum=100_000,
        advanced=True,
        why="Zero fails at the start; a negative number never logs.",
    ),
    Setting(
        "training.save_steps",
        "save_steps",
        Kind.INTEGER,
        "Checkpoint every",
        "Steps between checkpoints. Empty means only the end is kept.",
        nullable=True,
        minimum=1,
        maximum=10_000_000,
        advanced=True,
        why="A negative number is accepted by the trainer and saves nothing.",
    ),
    Setting(
        "training.early_stopping_patience",
        "early_stopping_patience",
        Kind.INTEGER,
        "Early stopping",
        "Stop after this many evaluations without a better loss. Empty means never.",
        nullable=True,
        minimum=1,
        maximum=1000,
        advanced=True,
        why="Patience counts whole evaluations.",
    ),
    Setting(
        "lora.enabled",
        "lora_enabled",
        Kind.BOOLEAN,
        "Train a LoRA adapter",
        "Trains small added matrices instead of all weights.",
        default=True,
    ),
    Setting(
        "lora.r",
        "lora_r",
        Kind.INTEGER,
        "LoRA rank (r)",
        "Width of the added matrices.",
        default=16,
        minimum=1,
        maximum=1024,
        recommended=(8, 64),
        slider=True,
        applies=LORA,
        why="A rank of zero or less is refused by PEFT after the model is loaded.",
        unusual=("So low a rank learns only simple changes.", "So high a rank costs memory and seldom learns more."),
    ),
    Setting(
        "lora.alpha",
        "lora_alpha",
        Kind.NUMBER,
        "LoRA alpha",
        "Strength of the update; about twice the rank.",
        default=32,
        above=0,
        maximum=4096,
        slider=True,
        step=1,
        applies=LORA,
        why="Alpha 0 gives a zero gradient: nothing is learnt and no error is raised.",
    ),
    Setting(
        "lora.dropout",
        "lora_dropout",
        Kind.NUMBER,
        "LoRA dropout",
        "Share of inputs dropped while training.",
        default=0.0,
        minimum=0,
        below=1,
        step=0.01,
        applies=LORA,
        advanced=True,
        why="Dropout 1 drops everything and learns nothing; a negative one is silently ignored.",
    ),
    Setting(
        "lora.target_modules",
        "target_modules",
        Kind.NAMES,
        "LoRA target modules",
        "The model's layers that get an adapter. Empty means the recommended ones.",
        nullable=True,
        applies=LORA,
    ),
    Setting(
        "lora.use_rslora",
        "use_rslora",
        Kind.BOOLEAN,
        "rsLoRA",
        "Scale by alpha/√r instead of alpha/r; steadier at high ranks.",
        default=False,
        applies=LORA,
        advanced=True,
    ),
    Setting(
        "lora.use_dora",
        "use_dora",
        Kind.BOOLEAN,
        "DoRA",
        "Train direction and size of weights apart; slower, often better at low ranks.",
        default=False,
        applies=LORA,
        advanced=True,
    ),
    Setting(
        "quantization",
        "quantization",
        Kind.CHOICE,
        "Quantization",
        "Load the frozen base weights in fewer bits to save memory.",
        default="none",
        choices={"none": "None", "4bit": "4-bit (QLoRA)", "8bit": "8-bit"},
        advanced=True,
    ),
)

SETTINGS: Mapping[str, Setting] = {row.path: row for row in _ROWS}
BY_FACT: Mapping[str, Setting] = {row.fact: row for row in _ROWS}
GROUPS = frozenset(row.group for row in _ROWS if row.group)
