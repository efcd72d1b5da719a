"""What the page of one model shows: its facts with their sources, its modules with some targets, its template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.http import QueryDict

from .downloads import may_cancel
from .fact_sheet import fact_sheet
from .files import signature
from .hub_files import tree as listed_files
from .inspections import inspection_at_hand
from .knowledge import Knowledge
from .looks import Standing, standing
from .lora_tree import LoraTree, lora_tree
from .models import BaseModel
from .playground import Playground, opened
from .traits import template_traits, tokenizer_lines

RANK, MOST_RANK = 16, 1024
FROM_FILES = ("family", "supports_chat", "context_length", "parameters", "tied_embedding")
"""Facts that plain reading of config.json and the weights' headers tells, without building the model."""
SHORT_COMMIT = 7


@dataclass(frozen=True)
class ShownLook:
    """Whether the model's own files were looked into: `read`, `looking` or `assumed`; and in words."""

    state: str
    text: str


@dataclass(frozen=True)
class FileLine:
    """One file of the model. `hash` is empty where nobody has told it."""

    name: str
    size: int
    hash: str
    here: bool


def context_of(
    known: Knowledge, asked: Mapping[str, Any] | QueryDict, user: User, playground: Playground | None = None
) -> dict[str, Any]:
    """`asked` are the targets and the rank to show the modules with, as the page's own form sends them."""
    stands = standing(known.model)
    document: Mapping[str, Any] = known.inspection.document if known.inspection else {}
    facts = known.facts()
    rank = _rank(asked.get("r", ""))
    return {
        "known": known,
        "look": shown_look(known, stands),
        "sheet": fact_sheet(facts, _read_facts(known)),
        "tokenizer": tokenizer_lines(document.get("tokenizer") or {}),
        "traits": template_traits(document.get("template") or {}),
        "tree": _tree(facts, asked, rank),
        "rank": rank,
        "files": sorted(_files(known), key=lambda file: file.name),
        "playground": playground or opened(user),
        **about_download(known, user),
    }


def about_download(known: Knowledge, user: User) -> dict[str, Any]:
    """What the part on the files needs: who may end the download, and how many jobs wait for it."""
    download = known.last_download
    waiting = known.model.jobs.filter(state__in=("queued", "preparing")) if download and download.is_active else None
    return {
        "may_cancel": download is not None and may_cancel(download, user),
        "jobs_waiting": waiting.count() if waiting is not None else 0,
    }


def shown_look(known: Knowledge, stands: Standing) -> ShownLook:
    match stands.state:
        case "at hand":
            return ShownLook("read", _read_text(known, stands))
        case "under way":
            return ShownLook("looking", "Its own files are being looked into. Its weights are left alone.")
    return ShownLook("assumed", f"What stands here is assumed from the family {known.family.name}. {stands.reason}")


def _read_text(known: Knowledge, stands: Standing) -> str:
    row = inspection_at_hand(known.model)
    when = f", {naturaltime(row.created_at)}" if row else ""
    where = f" at commit {stands.commit[:SHORT_COMMIT]}" if stands.commit else ""
    document = known.inspection.document if known.inspection else {}
    version = document.get("libraries", {}).get("transformers")
    by = f", with transformers {version}" if version else ""
    return f"Read from its own files{where}{when}{by}."


def _read_facts(known: Knowledge) -> set[str]:
    """Names of the facts that the model's own files have told."""
    at_sight = {*known.files.numbers, *FROM_FILES} if known.files else set()
    return {*known.told, *at_sight}


def _tree(facts: Mapping[str, Any], asked: Mapping[str, Any] | QueryDict, rank: int) -> LoraTree | None:
    """With the recommended targets, or with those that were ticked."""
    tree = lora_tree(facts, tuple(facts.get("lora_targets") or ()), rank=rank)
    if tree is None or "chosen" not in asked or not isinstance(asked, QueryDict):
        return tree
    return lora_tree(facts, tree.named(asked.getlist("tick")), rank=rank)


def _rank(text: str) -> int:
    return min(max(int(text), 1), MOST_RANK) if text.isdecimal() and len(text) < 6 else RANK


def _files(known: Knowledge) -> Iterator[FileLine]:
    """Of the hub all files of the commit, with the hub's hashes; of a local folder what lies there."""
    folder = known.folder
    if folder is None:
        return
    here = {name: size for name, _, size in signature(folder)}
    listed = listed_files(folder.parents[1], folder.name) if known.model.source == BaseModel.Source.HUB else None
    if listed is None:
        yield from (FileLine(name, size, "", here=True) for name, size in here.items())
    else:
        yield from (FileLine(name, file.size, file.content, name in here) for name, file in listed.items())
