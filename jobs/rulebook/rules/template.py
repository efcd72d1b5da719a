"""The model's chat template takes the rows as they are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ..engine import Broken, Together, broken, rule
from ..findings import Fix, Severity
from ..fixes import advice, convert, model_at_hand
from ..words import count, names

PATH = "data.dataset"
CHAT = {"strategy": "chat", "conversational": True, "model": "google/gemma-2b-it"}

SHAPES: Mapping[str, str] = {
    "no-system": "without a system turn",
    "many-exchanges": "with more than one exchange",
    "two-systems": "with two system turns at the start",
    "late-system": "with a system turn after the start",
    "two-users": "with two user turns in a row",
    "two-assistants": "with two assistant turns in a row",
    "starts-with-assistant": "that start with an assistant turn",
    "no-user": "without a user turn",
    "ends-unanswered": "that end without an answer",
    "empty-user": "with a user turn without text",
    "empty-system": "with a system turn without text",
    "empty-tool": "with a tool turn without text",
    "reasoning-early": "with reasoning (</think>) in an answer before the last question",
    "reasoning-last": "with reasoning (</think>) in the last answer",
}
"""Kinds of rows that some templates refuse or shorten. Rows are counted and templates are tried under these names."""
IN_ORDER = frozenset({"two-users", "two-assistants", "starts-with-assistant"})
REASONING = frozenset({"reasoning-early", "reasoning-last"})


@dataclass(frozen=True)
class Chat(Together):
    """A job whose rows may become text through the chat template."""

    strategy: str
    conversational: bool
    model: str
    convertible_to: Collection[str] = ()
    method: str | None = None
    template_words: Mapping[str, str] | None = None

    @property
    def renders(self) -> bool:
        return self.strategy == "chat" and self.conversational

    @property
    def as_text(self) -> list[Fix]:
        """The way around the template, where there is one."""
        if "text" not in self.convertible_to or self.method == "dpo":
            return []
        return [convert("text", "Convert the dataset to text and use standard", **{"data.strategy": "standard"})]

    def words(self, about: Collection[str]) -> str:
        """What the template itself says to that."""
        told = self.template_words or {}
        said = next((told[name] for name in about if told.get(name)), "")
        return f" (“{said}”)" if said else ""


def _concerned(roles: Collection[str], spoken_of: Collection[str]) -> list[str]:
    return [role for role in spoken_of if role in roles]


@rule(
    code="template.broken",
    severity=Severity.ERROR,
    field="model.name",
    message="The chat template of {model} cannot be used ({problem}), so no conversation can become text. {advice}",
    breaks={**CHAT, "template_problem": "line 1: unexpected '}'"},
)
def unusable(chat: Chat, template_problem: str, chat_model: str | None = None) -> Broken | None:
    """The tokenizer loads it without a look and stops at the first row, or hangs there."""
    if not chat.renders or not template_problem:
        return None
    fix = model_at_hand(chat_model, chat.model)
    todo = advice([fix], "Choose another model, or ask staff to correct its files.")
    return broken(fix=fix, model=chat.model, problem=template_problem, advice=todo)


@rule(
    code="template.refuses-role",
    severity=Severity.ERROR,
    field=PATH,
    message="The rows have turns of the role {roles}, which the chat template of {model} refuses{words}: training "
    "would stop while rows are prepared. {advice}",
    breaks={**CHAT, "roles": ("assistant", "system", "user"), "template_refuses": ("system",)},
)
def refuses_role(chat: Chat, roles: Collection[str], template_refuses: Collection[str]) -> Broken | None:
    """One such row stops the whole run, after the model is loaded."""
    refused = _concerned(roles, template_refuses)
    if not chat.renders or not refused:
        return None
    todo = advice(chat.as_text, _TO_DO)
    return broken(fixes=chat.as_text, roles=names(refused), model=chat.model, words=chat.words(refused), advice=todo)


@rule(
    code="template.drops-role",
    severity=Severity.WARNING,
    field=PATH,
    message="The rows have turns of the role {roles}, which the chat template of {model} leaves out: the model never "
    "sees them. {advice}",
    breaks={**CHAT, "roles": ("assistant", "system", "user"), "template_drops": ("system", "tool")},
)
def drops_role(chat: Chat, roles: Collection[str], template_drops: Collection[str]) -> Broken | None:
    """The run succeeds on other conversations than its author wrote."""
    dropped = _concerned(roles, template_drops)
    if not chat.renders or not dropped:
        return None
    return broken(fixes=chat.as_text, roles=names(dropped), model=chat.model, advice=advice(chat.as_text, _TO_DO))


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
    chat: Chat, unalternating: int, template_alternates: bool, row_shapes: Mapping[str, int] | None = None
) -> Broken | None:
    """One such row stops the whole run, after the model is loaded."""
    if not chat.renders or not template_alternates or not unalternating:
        return None
    if row_shapes and not IN_ORDER & row_shapes.keys():  # only a system turn stands where none is expected
        return None
    todo = advice(chat.as_text, "Join or remove turns in those rows, or choose another model.")
    return broken(fixes=chat.as_text, rows=count(unalternating, "row"), model=chat.model, advice=todo)


@rule(
    code="template.refuses-rows",
    severity=Severity.ERROR,
    field=PATH,
    message="The chat template of {model} refuses rows {shape}{words}, and the dataset has {rows} of that kind: "
    "training would stop while rows are prepared. {advice}",
    breaks={**CHAT, "row_shapes": {"late-system": 3}, "template_refuses_shapes": ("late-system",)},
)
def refuses_rows(
    chat: Chat,
    row_shapes: Mapping[str, int],
    template_refuses_shapes: Collection[str],
    template_alternates: bool = False,
) -> Iterator[Broken]:
    """One such row stops the whole run, after the model is loaded."""
    for shape in _met(chat, row_shapes, template_refuses_shapes):
        if not (template_alternates and shape in IN_ORDER):
            yield broken(
                fixes=chat.as_text,
                shape=SHAPES[shape],
                rows=count(row_shapes[shape], "row"),
                model=chat.model,
                words=chat.words([shape]),
                advice=advice(chat.as_text, "Change or remove those rows, or choose another model."),
            )


@rule(
    code="template.shortens-rows",
    severity=Severity.WARNING,
    field=PATH,
    message="Of rows {shape} the chat template of {model} leaves a part out, and the dataset has {rows} of that kind: "
    "the model never sees that part. {advice}",
    breaks={**CHAT, "row_shapes": {"two-systems": 3}, "template_drops_shapes": ("two-systems",)},
)
def shortens_rows(
    chat: Chat, row_shapes: Mapping[str, int], template_drops_shapes: Collection[str]
) -> Iterator[Broken]:
    """The run succeeds on other conversations than its author wrote."""
    for shape in _met(chat, row_shapes, template_drops_shapes):
        if shape not in REASONING:
            yield broken(
                fixes=chat.as_text,
                shape=SHAPES[shape],
                rows=count(row_shapes[shape], "row"),
                model=chat.model,
                advice=advice(chat.as_text, "Change those rows, or choose another model."),
            )


@rule(
    code="template.drops-reasoning",
    severity=Severity.WARNING,
    field=PATH,
    message="In {rows} the last answer holds reasoning, up to </think>, which the chat template of {model} cuts out: "
    "the model would only learn what comes after it. {advice}",
    breaks={**CHAT, "row_shapes": {"reasoning-last": 3}, "template_drops_shapes": ("reasoning-last",)},
)
def drops_reasoning(chat: Chat, row_shapes: Mapping[str, int], template_drops_shapes: Collection[str]) -> Broken | None:
    """Who trains on reasoning wants it learnt; some templates keep only the conclusion, and nothing says so."""
    if "reasoning-last" not in _met(chat, row_shapes, template_drops_shapes):
        return None
    todo = advice(chat.as_text, "Choose a model whose template keeps it.")
    rows = count(row_shapes["reasoning-last"], "row")
    return broken(fixes=chat.as_text, rows=rows, model=chat.model, advice=todo)


@rule(
    code="template.forgets-reasoning",
    severity=Severity.ADVICE,
    field=PATH,
    message="In {rows} answers before the last question hold reasoning, up to </think>. The chat template of {model} "
    "leaves it out there, as it does in use; only reasoning in the last answer is learnt.",
    breaks={**CHAT, "row_shapes": {"reasoning-early": 3}, "template_drops_shapes": ("reasoning-early",)},
)
def forgets_reasoning(
    chat: Chat, row_shapes: Mapping[str, int], template_drops_shapes: Collection[str]
) -> Broken | None:
    """It is how reasoning models are used, yet the rows look as if all of it were learnt."""
    if "reasoning-early" not in _met(chat, row_shapes, template_drops_shapes):
        return None
    return broken(rows=count(row_shapes["reasoning-early"], "row"), model=chat.model)


@rule(
    code="template.reasoning-apart-lost",
    severity=Severity.WARNING,
    field=PATH,
    message="In {rows} an answer has its reasoning apart from its text (reasoning_content), which the chat template of "
    "{model} leaves out: only what comes after it is learnt. Choose a model whose template writes it, or put it before "
    "the text, between <think> and </think>.",
    breaks={**CHAT, "rows_with_reasoning": 3, "template_reasoning": "dropped"},
)
def reasoning_apart_lost(chat: Chat, rows_with_reasoning: int, template_reasoning: str) -> Broken | None:
    """Nothing fails, and what the author wanted learnt most is in no text."""
    if not chat.renders or not rows_with_reasoning or template_reasoning != "dropped":
        return None
    return broken(rows=count(rows_with_reasoning, "row"), model=chat.model)


@rule(
    code="template.reasoning-apart-forgotten",
    severity=Severity.ADVICE,
    field=PATH,
    message="In {rows} an answer has its reasoning apart from its text. The chat template of {model} writes it in the "
    "last answer only, as it does in use; reasoning of earlier answers is not learnt.",
    breaks={**CHAT, "rows_with_reasoning": 3, "template_reasoning": "last"},
)
def reasoning_apart_forgotten(chat: Chat, rows_with_reasoning: int, template_reasoning: str) -> Broken | None:
    """It is how reasoning models are used, yet the rows look as if all of it were learnt."""
    if not chat.renders or not rows_with_reasoning or template_reasoning != "last":
        return None
    return broken(rows=count(rows_with_reasoning, "row"), model=chat.model)


def _met(chat: Chat, row_shapes: Mapping[str, int], spoken_of: Collection[str]) -> list[str]:
    """The kinds of rows that a template has trouble with and the dataset holds."""
    return [shape for shape in SHAPES if shape in spoken_of and row_shapes.get(shape)] if chat.renders else []


@rule(
    code="template.other-end",
    severity=Severity.WARNING,
    field="model.name",
    message="The chat template of {model} ends an answer with {template_end}, but the model does not stop there: "
    "after training it may go on writing past its answer. Choose the model's instruct version, or ask staff to add "
    "{template_end} to eos_token_id in its generation_config.json.",
    breaks={**CHAT, "template_end": "<|im_end|>"},
)
def other_end(chat: Chat, template_end: str) -> Broken | None:
    """Base models often carry the template of their instruct version and the end token of plain text."""
    return broken(model=chat.model, template_end=template_end) if chat.renders and template_end else None


@rule(
    code="template.no-end",
    severity=Severity.WARNING,
    field="model.name",
    message="The chat template of {model} writes no token after the last answer at which the model could stop: it "
    "would not learn where an answer ends. {advice}",
    breaks={**CHAT, "template_ends": False, "template_problem": ""},
)
def no_end(chat: Chat, template_ends: bool, template_problem: str, chat_model: str | None = None) -> Broken | None:
    """The loss falls as it should, and the trained model writes on and on."""
    if not chat.renders or template_ends or template_problem:
        return None
    fix = model_at_hand(chat_model, chat.model)
    return broken(fix=fix, model=chat.model, advice=advice([fix], "Choose another model."))


@rule(
    code="template.cuts-prompt",
    severity=Severity.ADVICE,
    field="model.name",
    message="The chat template of {model} ends a prompt with {cut}, and leaves that out once there is an answer: the "
    "model is trained without it, and asked with it later.",
    breaks={**CHAT, "template_prompt_cut": "<think>\n", "dataset_format": "preference"},
)
def cuts_prompt(chat: Chat, template_prompt_cut: str, dataset_format: str) -> Broken | None:
    """The trainer cuts the prompt where it differs, with a line in its log."""
    if not chat.renders or not template_prompt_cut or dataset_format not in ("prompt_completion", "preference"):
        return None
    return broken(model=chat.model, cut=template_prompt_cut.strip() or "a line break")


@rule(
    code="template.adds-system",
    severity=Severity.ADVICE,
    field="model.name",
    message="To the {rows} without a system turn the chat template of {model} adds one of its own: “{text}”. The "
    "model learns your answers under it. Give the rows a system turn if they need another.",
    breaks={**CHAT, "row_shapes": {"no-system": 812}, "template_adds_system": "You are a helpful assistant."},
)
def adds_system(chat: Chat, row_shapes: Mapping[str, int], template_adds_system: str) -> Broken | None:
    """It stands in every row and in every later use, and nobody wrote it."""
    if not chat.renders or not template_adds_system or not row_shapes.get("no-system"):
        return None
    text = " ".join(template_adds_system.split())
    shown = text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE].rstrip()}…"
    return broken(model=chat.model, rows=count(row_shapes["no-system"], "row"), text=shown)


LONGEST_QUOTE = 160


@rule(
    code="template.adds-empty-reasoning",
    severity=Severity.ADVICE,
    field="model.name",
    message="The chat template of {model} puts empty reasoning before an answer that has none. The rows hold no "
    "reasoning, so the model learns to answer without any.",
    breaks={**CHAT, "row_shapes": {"no-system": 812}, "template_adds_to_answer": "<think>\n\n</think>\n\n"},
)
def adds_empty_reasoning(chat: Chat, row_shapes: Mapping[str, int], template_adds_to_answer: str) -> Broken | None:
    """A model that reasons well loses it after such a run, which surprises its author."""
    if not chat.renders or "</think>" not in template_adds_to_answer or row_shapes.get("reasoning-last"):
        return None
    return broken(model=chat.model)
