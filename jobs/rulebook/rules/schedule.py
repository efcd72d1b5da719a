"""Steps, warm-up and evaluation fit the number of rows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..engine import Broken, Together, broken, rule
from ..findings import Fix, Severity
from ..fixes import advice, clear, use
from ..rates import warming
from ..steps import held_out, total_steps
from ..words import count, number

TENTH = 0.1
ROWS_FOR_A_TENTH = 10


@dataclass(frozen=True)
class Rows(Together):
    """The rows of the dataset, good and bad."""

    rows: int
    bad_row_count: int

    @property
    def usable(self) -> int:
        return self.rows - self.bad_row_count


@dataclass(frozen=True)
class Plan(Rows):
    """All that decides how many steps a run has."""

    eval_fraction: float
    batch_size: int
    gradient_accumulation: int
    num_epochs: float
    max_steps: int | None = None
    packing: bool = False
    num_processes: int = 1

    @property
    def steps(self) -> int | None:
        """None where it is not known before the rows are tokenised."""
        return total_steps(
            self.usable,
            self.eval_fraction,
            self.batch_size,
            self.gradient_accumulation,
            self.num_epochs,
            self.max_steps,
            self.packing,
            self.num_processes,
        )


@rule(
    code="schedule.warmup-beyond-steps",
    severity=Severity.ERROR,
    field="training.warmup_steps",
    message="The run has a single step, and training.warmup_steps {warmup} makes it one of warm-up, in which the "
    "learning rate is still zero: nothing would be learnt. Use 0.",
    breaks={
        "warmup_steps": 0.1,
        "lr_scheduler_type": "linear",
        "rows": 40,
        "bad_row_count": 0,
        "eval_fraction": 0.0,
        "batch_size": 40,
        "gradient_accumulation": 1,
        "num_epochs": 1,
    },
)
def warmup_beyond_steps(warmup_steps: float, lr_scheduler_type: str, plan: Plan) -> Broken | None:
    """The first step of a warm-up has a rate of zero; a run that is no more ends as a success, with nothing learnt."""
    if plan.steps != 1 or lr_scheduler_type == "constant" or warming(warmup_steps, 1) < 1:
        return None
    return broken(fix=use("training.warmup_steps", 0, "Use no warm-up"), warmup=number(warmup_steps))


@rule(
    code="schedule.warmup-throughout",
    severity=Severity.WARNING,
    field="training.warmup_steps",
    message="training.warmup_steps is {warmup}, which is {warming} of {steps}: the learning rate would rise during "
    "the whole run and never reach its value. Use 0.",
    breaks={
        "warmup_steps": 100,
        "lr_scheduler_type": "linear",
        "rows": 40,
        "bad_row_count": 0,
        "eval_fraction": 0.0,
        "batch_size": 4,
        "gradient_accumulation": 1,
        "num_epochs": 3,
    },
)
def warmup_throughout(warmup_steps: float, lr_scheduler_type: str, plan: Plan) -> Broken | None:
    """A rate that only rises stays below what was asked for, and falls nowhere."""
    steps = plan.steps
    if warmup_steps <= 0 or lr_scheduler_type == "constant" or not steps or steps == 1:
        return None
    warm = warming(warmup_steps, steps)
    if warm < steps:
        return None
    fix = use("training.warmup_steps", 0, "Use no warm-up")
    return broken(fix=fix, warmup=number(warmup_steps), warming=warm, steps=count(steps, "step"))


@rule(
    code="schedule.warmup-unused",
    severity=Severity.WARNING,
    field="training.lr_scheduler_type",
    message="training.warmup_steps is {warmup}, but the scheduler “constant” has no warm-up: the learning rate stands "
    "at its full value from the first step. Use constant_with_warmup.",
    breaks={"warmup_steps": 20, "lr_scheduler_type": "constant"},
)
def warmup_unused(warmup_steps: float, lr_scheduler_type: str) -> Broken | None:
    """transformers takes both settings and drops one without a word."""
    if lr_scheduler_type != "constant" or warmup_steps <= 0:
        return None
    fixes = (
        use("training.lr_scheduler_type", "constant_with_warmup"),
        use("training.warmup_steps", 0, "Use no warm-up"),
    )
    return broken(fixes=fixes, warmup=number(warmup_steps))


@rule(
    code="schedule.decay-overshoots",
    severity=Severity.ERROR,
    field="training.weight_decay",
    message="training.weight_decay {decay} times training.learning_rate {rate} is {product}: each step would take more "
    "from the weights than they are, and turn their sign. Use 0.01.",
    breaks={"weight_decay": 500, "learning_rate": 0.01, "optim": "adamw_torch"},
)
def decay_overshoots(weight_decay: float, learning_rate: float, optim: str) -> Broken | None:
    """AdamW multiplies the weights with 1 - rate × decay at every step; below zero that is no decay any more."""
    if "adamw" not in optim or weight_decay * learning_rate < 1:
        return None
    fix = use("training.weight_decay", 0.01)
    product = number(weight_decay * learning_rate)
    return broken(fix=fix, decay=number(weight_decay), rate=number(learning_rate), product=product)


def _hold_out(usable: int | None) -> Fix | None:
    if usable is not None and usable < ROWS_FOR_A_TENTH:
        return None
    return use("data.eval_fraction", TENTH, "Hold out a tenth of the rows")


@rule(
    code="schedule.early-stopping-unevaluated",
    severity=Severity.ERROR,
    field="training.early_stopping_patience",
    message="Early stopping after {patience} needs an evaluation to go by, and no rows are held out for one. {advice}",
    breaks={"early_stopping_patience": 3, "eval_fraction": 0.0},
)
def early_stopping_unevaluated(
    early_stopping_patience: int,
    eval_fraction: float,
    eval_dataset: str | None = None,
    rows: int | None = None,
    bad_row_count: int = 0,
) -> Broken | None:
    """Without evaluations the run would never stop early, though its author relies on it."""
    if eval_fraction > 0 or eval_dataset:
        return None
    usable = None if rows is None else rows - bad_row_count
    fixes = (_hold_out(usable), clear("training.early_stopping_patience", "Train to the end"))
    return broken(fixes=fixes, patience=count(early_stopping_patience, "evaluation"), advice=advice(fixes))


@rule(
    code="schedule.eval-steps-unevaluated",
    severity=Severity.WARNING,
    field="training.eval_steps",
    message="training.eval_steps is {every}, but no rows are held out, so nothing is evaluated. {advice}",
    breaks={"eval_steps": 50, "eval_fraction": 0.0},
)
def eval_steps_unevaluated(
    eval_steps: int,
    eval_fraction: float,
    eval_dataset: str | None = None,
    rows: int | None = None,
    bad_row_count: int = 0,
) -> Broken | None:
    """Somebody who sets an interval expects to see an evaluation loss."""
    if eval_fraction > 0 or eval_dataset:
        return None
    usable = None if rows is None else rows - bad_row_count
    fixes = (_hold_out(usable), clear("training.eval_steps"))
    return broken(fixes=fixes, every=eval_steps, advice=advice(fixes))


@rule(
    code="schedule.eval-beyond-end",
    severity=Severity.WARNING,
    field="training.eval_steps",
    message="training.eval_steps is {every}, but the whole run has {steps}, so nothing is evaluated before its end. "
    "Leave it empty to evaluate after each epoch.",
    breaks={
        "eval_steps": 500,
        "rows": 40,
        "bad_row_count": 0,
        "eval_fraction": 0.1,
        "batch_size": 4,
        "gradient_accumulation": 1,
        "num_epochs": 3,
    },
)
def eval_beyond_end(eval_steps: int, plan: Plan, eval_dataset: str | None = None) -> Broken | None:
    """Rows were held out and are never used; early stopping has nothing to go by."""
    steps = plan.steps
    if not (plan.eval_fraction > 0 or eval_dataset) or not steps or eval_steps <= steps:
        return None
    return broken(fix=clear("training.eval_steps"), every=eval_steps, steps=count(steps, "step"))


@rule(
    code="schedule.empty-evaluation",
    severity=Severity.ERROR,
    field="data.eval_fraction",
    message="data.eval_fraction is {fraction}, but with {usable} none can be held out. Use 0, or add rows.",
    breaks={"eval_fraction": 0.5, "rows": 1, "bad_row_count": 0},
)
def empty_evaluation(eval_fraction: float, dataset: Rows, given: Collection[str] = ()) -> Broken | None:
    """An evaluation without rows fails when the trainer is built."""
    usable = dataset.usable
    if usable < 1 or eval_fraction <= 0 or held_out(usable, eval_fraction):
        return None
    unneeded = {"eval_steps": "training.eval_steps", "early_stopping_patience": "training.early_stopping_patience"}
    cleared = {path: None for fact, path in unneeded.items() if fact in given}
    fix = Fix("Evaluate nothing", {"data.eval_fraction": 0.0, **cleared})
    return broken(fix=fix, fraction=number(eval_fraction), usable=count(usable, "row"))


@rule(
    code="schedule.tiny-evaluation",
    severity=Severity.WARNING,
    field="data.eval_fraction",
    message="data.eval_fraction {fraction} of {usable} is less than a row, so a single one is held out, and its loss "
    "says little. {advice}",
    breaks={"eval_fraction": 0.01, "rows": 30, "bad_row_count": 0},
)
def tiny_evaluation(eval_fraction: float, dataset: Rows) -> Broken | None:
    """The loss on one row goes up and down by chance."""
    usable = dataset.usable
    if usable < 2 or eval_fraction <= 0 or round(usable * eval_fraction) >= 1:
        return None
    fixes = [_hold_out(usable)]
    todo = advice(fixes, "Hold out a larger share, or none.")
    return broken(fixes=fixes, fraction=number(eval_fraction), usable=count(usable, "row"), advice=todo)


@rule(
    code="schedule.one-step",
    severity=Severity.WARNING,
    field="training.num_epochs",
    message="The whole run is a single step: {usable}, {together} in each step. Train for more epochs, or take fewer "
    "rows a step.",
    breaks={
        "rows": 12,
        "bad_row_count": 0,
        "eval_fraction": 0.0,
        "batch_size": 4,
        "gradient_accumulation": 8,
        "num_epochs": 1,
    },
)
def one_step(plan: Plan) -> Broken | None:
    """One step moves the weights once, which nobody notices in the answers."""
    if plan.steps != 1 or plan.max_steps == 1:
        return None
    without = clear("training.gradient_accumulation", "Use no gradient accumulation")
    fix = without if plan.gradient_accumulation > 1 and plan.usable > plan.batch_size * plan.num_processes else None
    together = plan.batch_size * plan.gradient_accumulation * plan.num_processes
    return broken(fix=fix, usable=count(plan.usable, "row"), together=together)
