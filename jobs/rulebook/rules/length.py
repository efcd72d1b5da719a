"""Rows fit into what the model can read."""

from __future__ import annotations

from ..engine import Broken, broken, rule
from ..findings import Severity
from ..fixes import advice, use

PATH = "data.max_length"
BYTES_AT_LEAST = 4
"""Hardly any tokenizer puts more bytes into a token on average, so a row has at least so many tokens."""


@rule(
    code="length.beyond-positions",
    severity=Severity.ERROR,
    field=PATH,
    message="{model} reads at most {context} tokens; the longest row has about {longest} or more and max_length keeps "
    "{kept} of them. Its table of positions ends there, so the first longer batch would crash. Use {context}.",
    breaks={"max_length": 4096, "token_ceiling": 9117, "context_length": 1024, "position_table": True, "model": "gpt2"},
)
def beyond_positions(
    max_length: int, token_ceiling: int, context_length: int, position_table: bool, model: str
) -> Broken | None:
    """A learned position table has no row past its end: the first long batch fails with an index error."""
    longest = token_ceiling // BYTES_AT_LEAST
    kept = min(max_length, longest)
    if not position_table or kept <= context_length:
        return None
    fix = use(PATH, context_length, f"Use {context_length} tokens")
    return broken(fix=fix, model=model, context=context_length, longest=longest, kept=kept)


@rule(
    code="length.near-positions",
    severity=Severity.WARNING,
    field=PATH,
    message="{model} reads at most {context} tokens; the longest row may have up to {longest}, as its tokenizer cuts "
    "it, and max_length keeps {kept} of them. A row past the end of its table of positions would crash the run. Use "
    "{context}, which changes nothing where all rows fit.",
    breaks={"max_length": 4096, "token_ceiling": 2117, "context_length": 1024, "position_table": True, "model": "gpt2"},
)
def near_positions(
    max_length: int, token_ceiling: int, context_length: int, position_table: bool, model: str
) -> Broken | None:
    """How many tokens a row has is known only once it is tokenised; the rehearsal tries the longest."""
    surely = min(max_length, token_ceiling // BYTES_AT_LEAST)
    kept = min(max_length, token_ceiling)
    if not position_table or surely > context_length or kept <= context_length:
        return None
    fix = use(PATH, context_length, f"Use {context_length} tokens")
    return broken(fix=fix, model=model, context=context_length, longest=token_ceiling, kept=kept)


@rule(
    code="length.beyond-context",
    severity=Severity.WARNING,
    field=PATH,
    message="{model} was built for {context} tokens; the longest row may have {longest} and max_length keeps {kept} of "
    "them. It trains without an error, but answers get worse past that length. Use {context}.",
    breaks={
        "max_length": 8192,
        "token_ceiling": 6000,
        "context_length": 2048,
        "position_table": False,
        "model": "TinyLlama/TinyLlama-1.1B-Chat-v1.0",
    },
)
def beyond_context(
    max_length: int, token_ceiling: int, context_length: int, position_table: bool, model: str
) -> Broken | None:
    """Rotary positions go on past what the model has seen, and mean nothing there."""
    kept = min(max_length, token_ceiling)
    if position_table or kept <= context_length:
        return None
    fix = use(PATH, context_length, f"Use {context_length} tokens")
    return broken(fix=fix, model=model, context=context_length, longest=token_ceiling, kept=kept)


BYTES_A_TOKEN = 5
"""English has a little more than four and other writings fewer, so this counts too few rather than too many."""


@rule(
    code="length.rows-cut",
    severity=Severity.WARNING,
    field=PATH,
    message="The longest row has roughly {about} tokens or more, and max_length keeps {kept} of them: the rest is cut "
    "off without a word. {advice}",
    breaks={"max_length": 64, "token_ceiling": 900, "context_length": 2048},
)
def rows_cut(max_length: int, token_ceiling: int, context_length: int | None = None) -> Broken | None:
    """A row that is cut loses its end, which is the answer."""
    about = token_ceiling // BYTES_A_TOKEN
    if about <= max_length:
        return None
    enough = min(token_ceiling, context_length or token_ceiling)
    fix = use(PATH, enough, f"Use {enough} tokens") if enough >= about else None
    todo = advice([fix], "Split long rows, or choose a model that reads more.")
    return broken(fix=fix, about=about, kept=max_length, advice=todo)
