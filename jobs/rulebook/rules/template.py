"""The model's chat template takes the rows as they are."""

from __future__ import annotations

from collections.abc import Collection

from ..engine import Broken, broken, rule
from ..findings import Fix, Severity
from ..fixes import advice, convert, model_at_hand
from ..words import count, names

PATH = "data.dataset"
CHAT = {"strategy": "chat", "conversational": True, "model": "google/gemma-2b-it"}


def _as_text(convertible_to: Collection[str], method: str | None) -> list[Fix]:
    if "text" not in convertible_to or method == "dpo":
        return []
    return [convert("text", "Convert the dataset to text and use standard", **{"data.strategy": "standard"})]


def _concerned(roles: Collection[str], spoken_of: Collection[str]) -> str:
    return names([role for role in spoken_of if role in roles])


@rule(
    code="template.broken",
    severity=Severity.ERROR,
    field="model.name",
    message="The chat template of {model} cannot be read ({problem}), so no conversation can become text. {advice}",
    breaks={**CHAT, "template_problem": "line 1: unexpected '}'"},
)
def unreadable(
    strategy: str, conversational: bool, template_problem: str, model: str, chat_model: str | None = None
) -> Broken | None:
    """The tokenizer loads it without a look and stops at the first row."""
    if strategy != "chat" or not conversational or not template_problem:
        return None
    fix = model_at_hand(chat_model, model)
    todo = advice([fix], "Choose another model, or ask staff to correct its files.")
    return broken(fix=fix, model=model, problem=template_problem, advice=todo)


@rule(
    code="template.refuses-role",
    severity=Severity.ERROR,
    field=PATH,
    message="The rows have turns of the role {roles}, which the chat template of {model} refuses: training would stop "
    "while rows are prepared. {advice}",
    breaks={**CHAT, "roles": ("assistant", "system", "user"), "template_refuses": ("system",)},
)
def refuses_role(
    strategy: str,
    conversational: bool,
    roles: Collection[str],
    template_refuses: Collection[str],
    model: str,
    convertible_to: Collection[str] = (),
    method: str | None = None,
) -> Broken | None:
    """One such row stops the whole run, after the model is loaded."""
    refused = _concerned(roles, template_refuses)
    if strategy != "chat" or not conversational or not refused:
        return None
    fixes = _as_text(convertible_to, method)
    return broken(fixes=fixes, roles=refused, model=model, advice=advice(fixes, _TO_DO))


@rule(
    code="template.drops-role",
    severity=Severity.WARNING,
    field=PATH,
    message="The rows have turns of the role {roles}, which the chat template of {model} leaves out: the model never "
    "sees them. {advice}",
    breaks={**CHAT, "roles": ("assistant", "system", "user"), "template_drops": ("system", "tool")},
)
def drops_role(
    strategy: str,
    conversational: bool,
    roles: Collection[str],
    template_drops: Collection[str],
    model: str,
    convertible_to: Collection[str] = (),
    method: str | None = None,
) -> Broken | None:
    """The run succeeds on other conversations than its author wrote."""
    dropped = _concerned(roles, template_drops)
    if strategy != "chat" or not conversational or not dropped:
        return None
    fixes = _as_text(convertible_to, method)
    return broken(fixes=fixes, roles=dropped, model=model, advice=advice(fixes, _TO_DO))


_TO_DO = "Move what they say into other turns, or choose a model whose template knows them."


@rule(
    code="template.needs-alternation",
    severity=Severity.ERROR,
    field=PATH,
    message="In {rows} users and assistants do not take turns, a user first, as the chat template of {model} demands: "
    "training would stop while rows are prepared. {advice}",
    breaks={**CHAT, "unalternating": 3, "template_alternates": True},
)
def needs_alternation(
    strategy: str,
    conversational: bool,
    unalternating: int,
    template_alternates: bool,
    model: str,
    convertible_to: Collection[str] = (),
    method: str | None = None,
) -> Broken | None:
    """One such row stops the whole run, after the model is loaded."""
    if strategy != "chat" or not conversational or not template_alternates or not unalternating:
        return None
    fixes = _as_text(convertible_to, method)
    todo = advice(fixes, "Join or remove turns in those rows, or choose another model.")
    return broken(fixes=fixes, rows=count(unalternating, "row"), model=model, advice=todo)


@rule(
    code="template.other-end",
    severity=Severity.WARNING,
    field="model.name",
    message="The chat template of {model} ends an answer with {template_end}, but the model stops at another token: "
    "after training it may go on writing past its answer. Choose the model's instruct version, or ask staff to add "
    "{template_end} to eos_token_id in its generation_config.json.",
    breaks={**CHAT, "template_end": "<|im_end|>"},
)
def other_end(strategy: str, conversational: bool, template_end: str, model: str) -> Broken | None:
    """Base models often carry the template of their instruct version and the end token of plain text."""
    if strategy != "chat" or not conversational or not template_end:
        return None
    return broken(model=model, template_end=template_end)
