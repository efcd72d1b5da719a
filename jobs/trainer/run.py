"""The story of a run: load, prepare, train, evaluate, save."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from datasets import Dataset
from jinja2 import TemplateError
from peft import LoraConfig, PeftModel
from transformers import EarlyStoppingCallback, PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback
from transformers.trainer_utils import IntervalStrategy

from jobs.rulebook import RULES, check

from . import checks
from .arguments import peft_arguments, trl_arguments
from .decisions import (
    Decision,
    Machine,
    Precision,
    choose_aux_loss,
    choose_checkpointing,
    choose_held_out,
    choose_intervals,
    choose_left_out,
    choose_precision,
    choose_targets,
)
from .endings import count_endings, never_ends, stop_tokens
from .events import Events
from .failures import TrainingError
from .folder import CHECKPOINTS
from .gradients import TargetGradients
from .keeping import Keeper
from .loading import (
    begin_adapter,
    begin_with,
    embedding_rows,
    load_model,
    load_rows,
    load_tokenizer,
    this_machine,
)
from .measuring import Meter
from .resuming import Resumable, resumable
from .run_file import RunFile
from .saving import save_output, versions, write_result
from .stopping import Stopped, StopSignal
from .together import is_first
from .tokenising import as_template_takes_them, tokenise
from .watching import Watcher


def fine_tune(
    run_dir: Path,
    run: RunFile,
    events: Events,
    stop: StopSignal,
    *,
    before_training: Callable[[Prepared], None] | None = None,
) -> None:
    """Train the job in `run_dir`. Returns once result.json is written; raises whatever prevented that.

    `before_training` gets to see the tokenised rows and the model; that is how a rehearsal looks on.
    """
    trl_classes(run.method)  # before the meter starts, so that a library does not count as the job's memory
    meter = Meter()
    keeper = Keeper(run_dir, run, events)
    keeper.look_for_one(run)
    with tempfile.TemporaryDirectory(dir=run_dir, prefix="cache-") as cache:
        loaded = load(run, run_dir, Path(cache), events)
        prepared = prepare(loaded, run, keeper, events, stop)
        if before_training:
            before_training(prepared)
        with keeping_what_was_trained(prepared, stop):
            train(prepared, run, keeper, stop, meter)
            metrics = evaluate(prepared, events)
            stop.check()
            artifacts = save(prepared, run, run_dir, metrics, events) if is_first() else []
            stop.check()
    if is_first():
        finish(run_dir, run, artifacts, metrics, meter, events)


@dataclass
class Loaded:
    """What a run starts from, and the reasons for what was decided on the way."""

    machine: Machine
    precision: Precision
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    rows: Dataset
    reasons: list[str]

    def settle(self, decision: Decision[Any]) -> Any:
        """Take a decision's value and keep its reason."""
        if decision.reason:
            self.reasons.append(decision.reason)
        return decision.value


def load(run: RunFile, run_dir: Path, cache: Path, events: Events) -> Loaded:
    events.stage("loading", f"Loading {run.model_name}")
    rows = load_rows(run, run_dir, cache)
    machine = this_machine()
    precision = choose_precision(run.settings, machine)
    model = load_model(run, precision.value, None if run.lora else begin_with(run))
    tokenizer = load_tokenizer(run, model)
    reasons = [decision.reason for decision in (precision, tokenizer) if decision.reason]
    return Loaded(machine, precision.value, model, tokenizer.value, rows, reasons)


@dataclass
class Prepared:
    """TRL's trainer with its model, adapter included, and its tokenised rows."""

    trainer: Resumable
    model: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerBase
    rows: Dataset
    eval_rows: Dataset | None
    watcher: Watcher
    whole: Dataset | None = None
    """The rows of SFT before they are cut and packed, held-out ones too."""
    gradients: TargetGradients | None = None


def prepare(loaded: Loaded, run: RunFile, keeper: Keeper, events: Events, stop: StopSignal) -> Prepared:
    """Build TRL's trainer, which tokenises every row, and check all that can be known before the first step."""
    events.stage("preparing", f"Tokenising {len(loaded.rows)} rows")
    held_out = loaded.settle(choose_held_out(run.settings, len(loaded.rows), run.eval_rows))
    if run.method == "dpo":
        rows = as_template_takes_them(run, loaded.rows, loaded.tokenizer)
    else:
        rows = loaded.settle(tokenise(run, loaded.rows, loaded.tokenizer))
    given, kept_back = split(rows, held_out, run)
    try:
        trainer = build_trainer(loaded, run, keeper.store, given, kept_back)
    except TemplateError as error:
        raise checks.explain_template(error, loaded.rows, loaded.tokenizer) from error
    stop.check()
    watcher = Watcher(run, events, stop)
    trainer.add_callback(watcher)
    trainer.remove_callback(PrinterCallback)
    model = cast("PreTrainedModel | PeftModel", trainer.model)
    prepared = Prepared(trainer, model, loaded.tokenizer, trainer.train_dataset, rows_to_evaluate(trainer), watcher)
    prepared.whole = None if run.method == "dpo" else rows
    measured = {
        "rows_given": len(given),
        "rows_prepared": len(prepared.rows),
        "rows_full": checks.count_full_rows(run, prepared.rows),
        "rows_held_out": held_out,
        "rows_evaluated": len(prepared.eval_rows or ()),
        "rows_start_doubled": checks.count_doubled_starts(run, prepared.rows, loaded.tokenizer.bos_token_id),
        "pairs_cut_alike": checks.count_pairs_cut_alike(run, prepared.rows),
    }
    ask_the_rulebook_again(run, measured, events, again=keeper.found is not None)
    watcher.prepared = {"rows_given": len(given), **measure(prepared, run, loaded)}
    if run.start_from:
        watcher.begins_anew = loaded.reasons.append
    watch_targets(prepared, run)
    endings = count_endings(run, prepared.rows, stop_tokens(loaded.model, loaded.tokenizer), loaded.tokenizer)
    if not keeper.found and (warning := never_ends(run, endings)):
        events.findings([warning])
    return prepared


def rows_to_evaluate(trainer: Resumable) -> Dataset | None:
    """The held-out rows that are left. Without any nothing is evaluated, as if none had been held out."""
    rows: Dataset | None = trainer.eval_dataset
    if rows is not None and not len(rows):
        rows = trainer.eval_dataset = None
        trainer.args.eval_strategy = IntervalStrategy.NO
        trainer.args.load_best_model_at_end = False
        trainer.remove_callback(EarlyStoppingCallback)
    return rows


def watch_targets(prepared: Prepared, run: RunFile) -> None:
    if isinstance(prepared.model, PeftModel):
        prepared.gradients = TargetGradients(run, prepared.model)
        prepared.trainer.add_callback(prepared.gradients)


def split(rows: Dataset, held_out: int, run: RunFile) -> tuple[Dataset, Dataset | None]:
    """Rows to train on and rows to evaluate with: those of the evaluation dataset, or some drawn by the seed."""
    if not held_out:
        return rows, None
    if run.eval_rows:
        first = len(rows) - held_out
        return rows.select(range(first)), rows.select(range(first, len(rows)))
    parts = rows.train_test_split(test_size=held_out, seed=run.settings["training.seed"])
    return parts["train"], parts["test"]


def trl_classes(method: str) -> tuple[Any, Any]:
    """TRL's trainer and its arguments. Only those of the job's method are imported: each costs more than a second."""
    if method == "dpo":
        from trl.trainer.dpo_config import DPOConfig
        from trl.trainer.dpo_trainer import DPOTrainer

        return DPOTrainer, DPOConfig
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    return SFTTrainer, SFTConfig


def build_trainer(loaded: Loaded, run: RunFile, folder: Path, given: Dataset, kept_back: Dataset | None) -> Resumable:
    arguments = all_arguments(loaded, run, evaluates=kept_back is not None) | {"output_dir": str(folder)}
    lora = LoraConfig(task_type="CAUSAL_LM", **lora_arguments(loaded, run)) if run.lora else None
    parts: dict[str, Any] = {
        "model": loaded.model,
        "processing_class": loaded.tokenizer,
        "train_dataset": given,
        "eval_dataset": kept_back,
        "peft_config": lora,
        "callbacks": early_stopping(run) if arguments.get("load_best_model_at_end") else None,
    }
    if run.method == "dpo":
        parts["ref_model"] = None if lora else load_model(run, loaded.precision)
    trainer, config = trl_classes(run.method)
    build: Any = resumable(trainer)
    built: Resumable = build(args=config(**arguments), **parts)
    if run.lora and (earlier := begin_with(run)):
        begin_adapter(built.model, earlier)
    return built


def all_arguments(loaded: Loaded, run: RunFile, *, evaluates: bool) -> dict[str, Any]:
    supported = loaded.model.supports_gradient_checkpointing
    return {
        **trl_arguments(run.settings),
        **loaded.precision.arguments,
        **loaded.settle(choose_intervals(run.settings, evaluates=evaluates)),
        "per_device_eval_batch_size": run.settings["training.batch_size"],
        "activation_checkpointing": loaded.settle(choose_checkpointing(run.settings, supported=supported)),
        "router_aux_loss_coef": loaded.settle(choose_aux_loss(loaded.model.config.get_text_config())),
        "use_cpu": not loaded.machine.gpu,
        "dataloader_pin_memory": loaded.machine.gpu,
        "ddp_find_unused_parameters": True if run.facts.get("towers") else None,  # what no text passes through
        "data_seed": run.settings["training.seed"],
        "restore_callback_states_from_checkpoint": True,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,  # else a NaN is logged as the average of the losses before it
        "disable_tqdm": True,
        "report_to": "none",
    }


def lora_arguments(loaded: Loaded, run: RunFile) -> dict[str, Any]:
    targets = loaded.settle(choose_targets(run.settings, run.facts.get("lora_targets")))
    left_out = loaded.settle(choose_left_out(run.facts.get("towers") or ()))
    return {**peft_arguments(run.settings), "target_modules": targets, "exclude_modules": left_out}


def early_stopping(run: RunFile) -> list[EarlyStoppingCallback]:
    return [EarlyStoppingCallback(early_stopping_patience=run.settings["training.early_stopping_patience"])]


def ask_the_rulebook_again(run: RunFile, measured: dict[str, int], events: Events, *, again: bool) -> None:
    """The same rules as in the form, now with what was measured. Only what that brings to light is told.

    With `again` the run goes on from a checkpoint, and another attempt has told it.
    """
    report = check({**run.facts, **run.choices.facts(), **measured})
    brought = (each for each in report if each in report.errors or RULES[each.code].needs & measured.keys())
    if told := [each for each in brought if each in report.errors or not again]:
        events.findings(told)
    if report.errors:
        raise TrainingError(report.errors[0])


def measure(prepared: Prepared, run: RunFile, loaded: Loaded) -> dict[str, Any]:
    """Refuse what could not learn, and say how large the run is."""
    model, rows = prepared.model, prepared.rows
    tokens = checks.require_trained_tokens(run, rows)
    checks.require_known_tokens(run, rows, embedding_rows(loaded.model))
    if isinstance(model, PeftModel):
        matched = checks.require_every_target(run, model)
        loaded.reasons.append(f"LoRA sits on {sum(matched.values())} modules.")
    checks.require_trainable(model)
    if loaded.precision.autocast == "float16":
        keep_trained_in_fp32(model)
    trainable, parameters = count_parameters(model)
    return {
        "rows_prepared": len(rows),
        "eval_rows": len(prepared.eval_rows) if prepared.eval_rows is not None else 0,
        "tokens": tokens,
        "parameters": parameters,
        "trainable_parameters": trainable,
        "device": loaded.machine.device,
        "precision": loaded.precision.name,
        "reasons": loaded.reasons,
    }


def keep_trained_in_fp32(model: torch.nn.Module) -> None:
    """The gradient scaler of fp16 needs fp32 weights; TRL turns the adapter of a quantised model to bf16."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def count_parameters(model: PreTrainedModel | PeftModel) -> tuple[int, int]:
    """Trainable and all. PEFT knows how many weights lie in a packed 4-bit tensor."""
    if isinstance(model, PeftModel):
        trainable, parameters = model.get_nb_trainable_parameters()
        return trainable, parameters
    return model.num_parameters(only_trainable=True), model.num_parameters()


@contextmanager
def keeping_what_was_trained(prepared: Prepared, stop: StopSignal) -> Iterator[None]:
    """Whoever stops the run finds a checkpoint of its last step."""
    try:
        yield
    except Stopped:
        with stop.only_between_steps():  # once more raises Stopped in the end
            prepared.trainer.keep()


def train(prepared: Prepared, run: RunFile, keeper: Keeper, stop: StopSignal, meter: Meter) -> None:
    """From the first step, or from the checkpoint that was found."""
    prepared.trainer.add_callback(meter)
    prepared.trainer.keep_with(keeper, prepared.watcher, run)
    found = str(keeper.found.folder) if keeper.found else None
    with stop.only_between_steps():
        outcome = prepared.trainer.train(resume_from_checkpoint=found)
    checks.require_finite_loss(run, outcome.training_loss, outcome.global_step)
    checks.require_finite_weights(run, prepared.model, outcome.global_step)
    if not prepared.watcher.gradient_seen:
        raise checks.no_gradient()


def evaluate(prepared: Prepared, events: Events) -> dict[str, Any]:
    """The numbers of the model as it will be saved; its evaluation is not repeated when the last step had one."""
    trainer, watcher = prepared.trainer, prepared.watcher
    step = trainer.state.global_step
    metrics = {"steps": step, "epochs": round(trainer.state.epoch or 0, 3), "loss": watcher.loss}
    if prepared.eval_rows is None:
        return metrics
    if trainer.args.load_best_model_at_end or watcher.evaluated_at != step:
        events.stage("evaluating", f"Evaluating on {len(prepared.eval_rows)} rows")
        trainer.evaluate()
    return metrics | {"eval_loss": watcher.eval_loss}


def save(
    prepared: Prepared, run: RunFile, run_dir: Path, metrics: dict[str, Any], events: Events
) -> list[dict[str, Any]]:
    events.stage("saving", "Saving the adapter" if run.lora else "Saving the model")
    return save_output(run_dir, run, prepared.model, prepared.tokenizer, metrics)


def finish(
    run_dir: Path, run: RunFile, artifacts: list[dict[str, Any]], metrics: dict[str, Any], meter: Meter, events: Events
) -> None:
    """`peak_memory_bytes` is all that was held: on the GPU, else by this process with its libraries.

    Checkpoints are not kept beside the result unless they were asked for.
    """
    outcome = {
        "artifacts": artifacts,
        "metrics": metrics,
        "peak_memory_bytes": meter.whole_peak,
        "measured": meter.report(),
        "seconds": round(time.monotonic() - meter.started, 3),
    }
    write_result(run_dir, outcome | {"versions": versions()})
    if not run.settings["training.save_steps"]:
        shutil.rmtree(run_dir / CHECKPOINTS, ignore_errors=True)
    events.write("finished", **outcome)
