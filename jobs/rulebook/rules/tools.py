"""Chats that call tools, and answers that are not to be learnt, fare as their author meant."""

from __future__ import annotations

from collections.abc import Mapping

from ..engine import Broken, broken, rule
from ..findings import Severity
from ..fixes import use
from ..words import count
from .template import CHAT, PATH, Chat

CALLING = {**CHAT, "rows_with_calls": 40}
TELLING = {**CHAT, "rows_with_tools": 40}


@rule(
    code="tools.calls-refused",
    severity=Severity.ERROR,
    field=PATH,
    message="In {rows} an answer calls a tool, which the chat template of {model} refuses: training would stop while "
    "rows are prepared. Choose a model whose template writes calls of tools, or leave those rows out.",
    breaks={**CALLING, "template_tools": {"calls": "refused"}},
)
def calls_refused(chat: Chat, rows_with_calls: int, template_tools: Mapping[str, str]) -> Broken | None:
    """One such row stops the whole run. Templates that take arguments as text only are given them so."""
    if not chat.renders or not rows_with_calls or template_tools.get("calls") != "refused":
        return None
    return broken(rows=count(rows_with_calls, "row"), model=chat.model)


@rule(
    code="tools.calls-dropped",
    severity=Severity.ERROR,
    field=PATH,
    message="In {rows} an answer calls a tool, which the chat template of {model} leaves out: the model would learn to "
    "say nothing there. Choose a model whose template writes calls of tools, or leave those rows out.",
    breaks={**CALLING, "template_tools": {"calls": "dropped"}},
)
def calls_dropped(chat: Chat, rows_with_calls: int, template_tools: Mapping[str, str]) -> Broken | None:
    """The run succeeds, and the model answers with silence where it should have called."""
    if not chat.renders or not rows_with_calls or template_tools.get("calls") != "dropped":
        return None
    return broken(rows=count(rows_with_calls, "row"), model=chat.model)


@rule(
    code="tools.descriptions-lost",
    severity=Severity.WARNING,
    field=PATH,
    message="{rows} tools that may be called, which the chat template of {model} leaves out: the model would learn to "
    "call tools that it was not told of. Choose a model whose template takes them.",
    breaks={**TELLING, "template_tools": {"schema": "dropped"}},
)
def descriptions_lost(chat: Chat, rows_with_tools: int, template_tools: Mapping[str, str]) -> Broken | None:
    """What the answers rest on is not in the text, so the model makes tools up later."""
    if not chat.renders or not rows_with_tools or template_tools.get("schema") != "dropped":
        return None
    verb = "describes" if rows_with_tools == 1 else "describe"
    return broken(rows=f"{count(rows_with_tools, 'row')} {verb}", model=chat.model)


@rule(
    code="tools.descriptions-refused",
    severity=Severity.ERROR,
    field=PATH,
    message="{rows} tools that may be called, which the chat template of {model} refuses: training would stop while "
    "rows are prepared. Choose a model whose template takes them.",
    breaks={**TELLING, "template_tools": {"schema": "refused"}},
)
def descriptions_refused(chat: Chat, rows_with_tools: int, template_tools: Mapping[str, str]) -> Broken | None:
    """One such row stops the whole run, after the model is loaded."""
    if not chat.renders or not rows_with_tools or template_tools.get("schema") != "refused":
        return None
    verb = "describes" if rows_with_tools == 1 else "describe"
    return broken(rows=f"{count(rows_with_tools, 'row')} {verb}", model=chat.model)


@rule(
    code="tools.text-lost",
    severity=Severity.ADVICE,
    field=PATH,
    message="Where an answer both says something and calls a tool, the chat template of {model} keeps only the call. "
    "{rows} with calls; what is said beside them is not learnt.",
    breaks={**CALLING, "template_tools": {"calls": "kept", "text_beside_call": "dropped"}},
)
def text_lost(chat: Chat, rows_with_calls: int, template_tools: Mapping[str, str]) -> Broken | None:
    """Nothing fails, and a sentence that its author wrote is in no text."""
    lost = template_tools.get("calls") == "kept" and template_tools.get("text_beside_call") == "dropped"
    if not chat.renders or not rows_with_calls or not lost:
        return None
    verb = "is" if rows_with_calls == 1 else "are"
    return broken(rows=f"There {verb} {count(rows_with_calls, 'row')}", model=chat.model)


@rule(
    code="dataset.weights-ignored",
    severity=Severity.ERROR,
    field="data.assistant_only_loss",
    message="In {rows} an answer has weight 0, so that it is read and not learnt. Only training on answers alone "
    "leaves it out; {otherwise}.",
    breaks={"rows_with_weights": 12, "assistant_only_loss": False, "strategy": "chat", "method": "sft"},
)
def weights_ignored(
    rows_with_weights: int, strategy: str, method: str, assistant_only_loss: bool | None = None
) -> Broken | None:
    """Whoever gave an answer weight 0 knows that it is wrong; learning it would be the opposite of what was meant."""
    if not rows_with_weights or strategy != "chat" or method != "sft" or assistant_only_loss:
        return None
    otherwise = (
        "with every turn trained, it would be learnt"
        if assistant_only_loss is False
        else "left empty, every turn is trained where answers cannot be told exactly"
    )
    fix = use("data.assistant_only_loss", True, "Train on answers only")
    return broken(fix=fix, rows=count(rows_with_weights, "row"), otherwise=otherwise)
