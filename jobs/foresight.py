"""Whether a check could have known before the start why a job failed, and why it did not stop it."""

from __future__ import annotations

from collections.abc import Mapping

from .models import Job
from .rulebook import RULES
from .rulebook.engine import Rule
from .rulebook.vocabulary import FACTS, Source
from .rulebook.words import names

CAUGHT_BY: Mapping[str, tuple[str, ...]] = {
    "trainer.target-unfit": ("lora.unfit-target",),
    "trainer.target-unmatched": ("lora.unknown-target", "lora.pattern-matches-nothing"),
    "trainer.target-unsupported": ("lora.unsupported-target",),
    "trainer.target-pattern": ("lora.pattern-invalid",),
    "trainer.target-half": ("lora.half-expert-pair",),
    "trainer.target-head": ("lora.output-head",),
    "trainer.target-router": ("lora.router-targeted",),
    "trainer.experts-dropout": ("lora.experts-dropout",),
    "trainer.architecture-untrainable": ("model.untrainable",),
    "trainer.no-checkpointing": ("model.no-gradient-checkpointing",),
    "trainer.packing-impossible": ("packing.needs-package",),
    "trainer.no-template": ("strategy.no-chat-template",),
    "trainer.template-refused": ("template.refuses-rows", "template.broken"),
    "trainer.rows-unreadable": ("dataset.bad-rows",),
    "trainer.row-not-text": ("dataset.bad-rows",),
    "trainer.empty-conversation": ("dataset.bad-rows",),
    "trainer.position-unknown": ("length.beyond-positions", "tokenizer.beyond-model"),
    "trainer.unknown-token": ("tokenizer.beyond-model",),
    "trainer.no-end-token": ("tokenizer.no-end",),
    "trainer.model-unreadable": ("model.unbuildable",),
    "trainer.model-missing": ("cache.not-cached",),
    "trainer.package-missing": ("quantization.package-missing", "quantization.optimizer-package-missing"),
    "trainer.out-of-memory": ("memory.too-large", "memory.weights-too-large"),
    "trainer.disk-full": ("disk.run-too-large",),
}
"""The rules that look for the cause of a failure before a job starts, by the code of the failure."""


def foresight(job: Job) -> str:
    """In a sentence or two, for whoever wonders why an accepted job failed; empty where no check knows the cause."""
    code = (job.error or {}).get("code", "")
    rules = [RULES[name] for name in (code, *CAUGHT_BY.get(code, ())) if name in RULES]
    concerned = [rule for rule in rules if not _unchosen(rule, job)]
    return next((said for tell in (_warned, _unasked, _content) for rule in concerned if (said := tell(rule, job))), "")


def _unchosen(rule: Rule, job: Job) -> bool:
    """A rule about a setting that was not chosen has nothing to say."""
    return any(FACTS[name].source is Source.CHOICES for name in _missing(rule, job))


def _missing(rule: Rule, job: Job) -> list[str]:
    return sorted(name for name in rule.needs if job.facts.get(name) is None)


def _warned(rule: Rule, job: Job) -> str:
    found = next((finding for finding in job.findings if finding["code"] == rule.code), None)
    return f"The check {rule.code} warned of this before the start: {found['message']}" if found else ""


def _unasked(rule: Rule, job: Job) -> str:
    unknown = names([FACTS[name].meaning for name in _missing(rule, job)])
    return unknown and (
        f"The check {rule.code} would have caught this, but could not be asked before the start. It was not known: "
        f"{unknown}."
    )


def _content(rule: Rule, job: Job) -> str:
    return (
        f"The check {rule.code} looks for this before a job starts, and found nothing then: what it goes by has "
        "changed since, or was not known well enough."
    )
