"""What the events of a run say about its row: step, latest metrics, what is being done, time left."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .predicted import SMALLER_BATCH
from .run_folder import Event

MEASURES = ("loss", "eval_loss", "learning_rate", "grad_norm", "epoch", "rewards/accuracies", "rewards/margins")
PREPARED = (
    "rows_given",
    "rows_prepared",
    "eval_rows",
    "parameters",
    "trainable_parameters",
    "device",
    "precision",
    "reasons",
)


def starts_again(event: Event) -> str:
    """What the trainer says when it goes back to the first step, with smaller batches; else nothing."""
    if event.get("event") != "findings":
        return ""
    return next((str(each["message"]) for each in event.get("findings", ()) if each["code"] == SMALLER_BATCH), "")


def resumed_at(event: Event) -> int | None:
    """The step of the checkpoint that a trainer goes on from, when it says so."""
    return event["step"] if event.get("event") == "resumed" else None


class Progress:
    """Folds events, one after the other, into values of the job's row."""

    def __init__(self) -> None:
        self.step = 0
        self.total_steps: int | None = None
        self.metrics: dict[str, Any] = {}
        self.text = ""
        self.result: dict[str, Any] = {}
        self.failure: dict[str, Any] | None = None
        self.resumed_at = self.kept_at = 0
        self._first: tuple[int, datetime] | None = None
        self._latest: tuple[int, datetime] | None = None

    def add(self, event: Event) -> None:
        self.metrics = self.metrics | {name: event[name] for name in MEASURES if event.get(name) is not None}
        match event.get("event"):
            case "stage":
                self.text = str(event.get("text", ""))
            case "prepared":
                self.total_steps = event.get("total_steps")
                self.result |= {name: event[name] for name in PREPARED if name in event}
            case "resumed":
                self.step = self.resumed_at = self.kept_at = event["step"]
            case "checkpoint":
                self.kept_at = event["step"]
            case "step":
                self._add_step(event)
            case "findings":
                self.result["findings"] = [*self.result.get("findings", []), *event.get("findings", [])]
                if starts_again(event):
                    self.step, self.metrics, self._first, self._latest = 0, {}, None, None
            case "failed":
                self.failure = event.get("finding")

    def _add_step(self, event: Event) -> None:
        self.step = event["step"]
        self.total_steps = event.get("total_steps", self.total_steps)
        self._latest = (self.step, datetime.fromisoformat(event["at"]))
        self._first = self._first or self._latest

    @property
    def has_kept_more(self) -> bool:
        """Whether it wrote a checkpoint behind the one it went on from, so that the next attempt is better off."""
        return self.kept_at > self.resumed_at

    @property
    def fraction(self) -> float | None:
        return min(1.0, self.step / self.total_steps) if self.total_steps else None

    @property
    def eta_seconds(self) -> int | None:
        """From the pace since the first step, which itself is slow and tells nothing."""
        if not (self._first and self._latest and self.total_steps) or self._latest[0] <= self._first[0]:
            return None
        pace = (self._latest[1] - self._first[1]).total_seconds() / (self._latest[0] - self._first[0])
        return round(pace * max(0, self.total_steps - self.step))

    def row(self) -> dict[str, Any]:
        """The columns of the job that follow from the events so far."""
        return {
            "step": self.step,
            "total_steps": self.total_steps,
            "metrics": self.metrics,
            "progress": {"text": self.text, "fraction": self.fraction, "eta_seconds": self.eta_seconds},
        }
