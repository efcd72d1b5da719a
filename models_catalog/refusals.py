"""What the portal says when it refuses something about models: code, field and words of each finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from django.conf import settings

from finetune_site.environment import variable
from finetune_site.problems import Problem
from jobs.rulebook.findings import Finding, Severity

MODEL = "model.name"


def error(code: str, field: str, message: str) -> Finding:
    return Finding(f"catalogue.{code}", Severity.ERROR, field, message)


def refuse(*findings: Finding, status: int = 400) -> Problem:
    """One problem that says all findings."""
    return Problem(" ".join(finding.message for finding in findings), findings, status)


# Registering


def wrong_name(name: str) -> Finding:
    said = f"“{name}” is not a model name. " if name else "A model needs a name. "
    return error("name", "name", said + "Use letters, digits, dots and dashes, as in owner/name.")


def name_taken(name: str) -> Finding:
    return error("name-taken", "name", f"The catalogue has a model {name} already. Choose another name.")


def unknown_family(family: str, near: list[str]) -> Finding:
    hint = f"Did you mean {near[0]}?" if near else "Leave it empty to have it found out."
    return error("family", "family", f"There is no family “{family}”. {hint}")


def wrong_source(source: str) -> Finding:
    return error("source", "source", f"The source must be hub or local; “{source}” was given.")


def outside_roots(path: str) -> Finding:
    roots = ", ".join(str(root) for root in settings.LOCAL_ROOTS)
    return error(
        "path-outside",
        "path",
        f"“{path}” does not lie under a folder that models may be registered from. "
        f"Put the model under {roots}, or add its place to {variable('local_roots')}.",
    )


def no_folder(path: str) -> Finding:
    return error("path", "path", f"There is no folder “{path}” that the portal can read. Give an absolute path.")


def leaves_roots(path: Path) -> Finding:
    return error(
        "path-link",
        "path",
        f"{path.name} in that folder is a link to somewhere else. Copy the file itself into the folder.",
    )


def pickles_only() -> Finding:
    return error(
        "pickle-only",
        "path",
        "The weights come only as pickle files, which can run any code when they are opened. "
        "Save the model with save_pretrained, which writes safetensors.",
    )


def gguf_only() -> Finding:
    return error(
        "gguf-only",
        "path",
        "The weights come only as GGUF, which is made for running a model, not for training it. "
        "Register the folder with the original safetensors.",
    )


def own_code() -> Finding:
    return error(
        "own-code",
        "path",
        "The model asks for code of its own (auto_map), which Foretune never runs. If transformers has its "
        "architecture, remove auto_map from config.json and tokenizer_config.json.",
    )


def lacking(things: tuple[str, ...]) -> Finding:
    return error("incomplete", "path", f"The folder lacks {', '.join(things)}. Copy the whole model there.")


def unreadable(problem: str) -> Finding:
    return error("unreadable", "path", f"{problem} Copy the model there again.")


# Downloading


def local_model(name: str) -> Finding:
    return error("local", MODEL, f"{name} is a local folder; there is nothing to download. Put its files back there.")


def offline(name: str) -> Finding:
    return error(
        "offline",
        MODEL,
        f"{name} cannot be downloaded: this portal is offline. Choose a cached model, or have the portal started "
        f"with {variable('offline')}=0.",
    )


def gated(name: str, has_token: bool) -> Finding:
    advice = (
        f"Accept its licence at huggingface.co/{name} with the account that the token in {variable('hub_token')} is of."
        if has_token
        else f"Accept its licence at huggingface.co/{name} and have the portal started with a token in "
        f"{variable('hub_token')}."
    )
    return error("gated", MODEL, f"{name} is gated: the hub gives it only to people who accepted its licence. {advice}")


def not_found(name: str) -> Finding:
    return error(
        "not-found",
        MODEL,
        f"The hub knows no model {name}, or it is private. Check its name on huggingface.co; for a private one "
        f"set {variable('hub_token')}.",
    )


def no_revision(name: str, revision: str) -> Finding:
    return error(
        "no-revision", "model.revision", f"{name} has no revision “{revision}”. Leave it empty for the newest."
    )


def unsafe(name: str) -> Finding:
    return error(
        "unsafe",
        MODEL,
        f"{name} has no safetensors weights on the hub. Pickles are never loaded, because they can run any code. "
        "Choose another model, or convert it and register the folder.",
    )


def no_network(name: str) -> Finding:
    return error(
        "network",
        MODEL,
        f"The connection to the hub failed while {name} was fetched. What has arrived is kept. If this lasts, ask "
        "whoever runs this portal whether the machine reaches the hub.",
    )


def no_answer(name: str) -> Finding:
    return error(
        "no-answer",
        MODEL,
        f"Nothing came from the hub for too long while {name} was fetched. What has arrived is kept. If this lasts, "
        "ask whoever runs this portal whether the machine reaches the hub.",
    )


def too_many_calls(name: str) -> Finding:
    return error(
        "busy",
        MODEL,
        f"The hub takes no more calls from this portal for now, so {name} has to wait until it does. A token in "
        f"{variable('hub_token')} allows more calls.",
    )


def hub_is_down(name: str, status: int) -> Finding:
    return error(
        "hub-down",
        MODEL,
        f"The hub has trouble of its own (it answered {status}) while {name} was fetched. What has arrived is kept. "
        "Wait until the hub works again, or choose a model that is here.",
    )


def given_up(finding: Finding, times: int) -> Finding:
    """The same, said of a download that is not tried any more."""
    end = f"It was tried {times} times in a row and brought nothing: download it again when that is over."
    return replace(finding, message=f"{finding.message} {end}")


def hub_refuses(name: str, status: int) -> Finding:
    return error(
        "refused",
        MODEL,
        f"The hub refused to give {name} and answered {status}. Ask whoever runs this portal whether "
        f"{variable('hub_endpoint')} and the proxy are right.",
    )


def wrong_token(name: str) -> Finding:
    return error(
        "token",
        MODEL,
        f"The hub does not accept this portal's token, so it does not give {name}. Have the portal started with a "
        f"token in {variable('hub_token')} that is valid.",
    )


def file_gone(name: str) -> Finding:
    return error(
        "file-gone",
        MODEL,
        f"The hub lists a file of {name} that it does not have. It was probably changed just now: download it again.",
    )


def damaged(name: str, file: str) -> Finding:
    return error(
        "damaged",
        MODEL,
        f"{file} of {name} came twice with other bytes than the hub promises, so it was thrown away. Download it again "
        "later; if it happens again, ask whoever runs this portal whether a proxy changes what comes through it.",
    )


def no_digest(name: str, file: str) -> Finding:
    return error(
        "no-digest",
        MODEL,
        f"The hub does not say what {file} of {name} must contain, so it could not be checked. Ask whoever runs this "
        f"portal whether {variable('hub_endpoint')} is an address of the hub.",
    )


def no_space(name: str, sizes: Mapping[str, str]) -> Finding:
    return error(
        "disk",
        MODEL,
        f"{name} needs {sizes['needed']} and the disk has {sizes['free']} left{sizes.get('others', '')}. "
        "Free some space, or choose a smaller model.",
    )


def keeps_dying(name: str, times: int) -> Finding:
    return error(
        "died",
        MODEL,
        f"The process that fetched {name} ended without a word {times} times in a row, which mostly means that the "
        "machine ran out of memory. What has arrived is kept; download it again when less is going on.",
    )


def cancelled(name: str) -> Finding:
    return error(
        "cancelled",
        MODEL,
        f"The download of {name} was cancelled. The job fetches it again when its turn comes; cancel the job if it is "
        "not wanted.",
    )


def not_under_way(name: str) -> Finding:
    return error("not-under-way", MODEL, f"No download of {name} is under way, so there is nothing to cancel.")


def not_yours(name: str) -> Finding:
    return error(
        "not-yours",
        MODEL,
        f"Somebody else asked for the download of {name}. They can cancel it, and so can staff.",
    )


# Looking into


def not_looked_into(name: str) -> Finding:
    return error(
        "not-looked-into",
        MODEL,
        f"The files of {name} are not here and this portal is offline, so only its family is known. "
        f"Have the portal started with {variable('offline')}=0.",
    )


def no_config(name: str) -> Finding:
    return error(
        "no-config",
        MODEL,
        f"{name} has no config.json on the hub, so nothing can load it for training. Choose the model that it was made "
        "from.",
    )


def not_inspected(name: str, reason: str) -> Finding:
    return error("not-inspected", MODEL, f"Looking into {name} failed, so only its family is known. {reason}")


def unexpected(name: str, reference: str) -> Finding:
    return error(
        "unexpected",
        MODEL,
        f"Fetching {name} failed on our side. Tell whoever runs this portal the reference {reference}.",
    )
