"""The model's files are at hand, or can be fetched."""

from __future__ import annotations

from ..engine import Broken, broken, rule
from ..findings import Action, Fix, Severity
from ..fixes import advice, model_at_hand
from ..words import duration, size

TO_FETCH = ("absent", "partial")


@rule(
    code="cache.offline",
    severity=Severity.ERROR,
    field="model.name",
    message="{model} is {state} on this machine and the portal is offline, so it cannot be fetched. {advice}",
    breaks={"model": "gpt2", "model_cache": "absent", "offline": True},
)
def offline(model: str, model_cache: str, offline: bool, chat_model: str | None = None) -> Broken | None:
    """Without this the job would wait in the queue and then fail on the network."""
    if not offline or model_cache not in TO_FETCH:
        return None
    fix = model_at_hand(chat_model, model)
    state = "not" if model_cache == "absent" else "only partly"
    return broken(fix=fix, model=model, state=state, advice=advice([fix], "Choose a model that is already here."))


@rule(
    code="cache.gated",
    severity=Severity.ERROR,
    field="model.name",
    message="{model} is gated: the hub hands it out only to accounts that accepted its licence, and the portal has no "
    "token. Accept the licence on the model's page, make a read token in that account's settings, and "
    "have it put in the portal's environment variable HF_TOKEN.{advice}",
    breaks={
        "model": "meta-llama/Llama-3.2-1B",
        "gated": True,
        "hub_token": False,
        "model_cache": "absent",
        "offline": False,
    },
)
def gated(
    model: str, gated: bool, hub_token: bool, model_cache: str, offline: bool, chat_model: str | None = None
) -> Broken | None:
    """The hub answers 401 only when the download starts, and its message does not say where the token goes."""
    if not gated or hub_token or offline or model_cache not in TO_FETCH:
        return None
    fix = model_at_hand(chat_model, model)
    return broken(fix=fix, model=model, advice=f" Or {fix.label[0].lower()}{fix.label[1:]}." if fix else "")


@rule(
    code="cache.unfetchable",
    severity=Severity.ERROR,
    field="model.name",
    message="{model} is {state} on this machine and the hub does not hand it out. {reason}",
    breaks={
        "model": "acme/no-such-model",
        "model_cache": "absent",
        "unfetchable": "The hub knows no model acme/no-such-model, or it is private.",
        "offline": False,
    },
)
def unfetchable(
    model: str,
    model_cache: str,
    unfetchable: str,
    offline: bool,
    gated: bool = False,
    hub_token: bool = True,
    chat_model: str | None = None,
) -> Broken | None:
    """The hub was asked for the model's small files and refused; it would refuse the weights as well."""
    if not unfetchable or offline or model_cache not in TO_FETCH or (gated and not hub_token):
        return None
    state = "not" if model_cache == "absent" else "only partly"
    return broken(fix=model_at_hand(chat_model, model), model=model, state=state, reason=unfetchable)


@rule(
    code="cache.disk-too-small",
    severity=Severity.ERROR,
    field="model.name",
    message="{model} needs {needed} more on the disk, but only {free} are free. {advice}",
    breaks={
        "model": "gpt2",
        "model_cache": "absent",
        "bytes_to_fetch": 548_000_000,
        "model_disk_free": 100_000_000,
        "offline": False,
    },
)
def disk_too_small(
    model: str,
    model_cache: str,
    bytes_to_fetch: int,
    model_disk_free: int,
    offline: bool,
    chat_model: str | None = None,
) -> Broken | None:
    """A full disk stops the download near its end, and every other job of the portal with it."""
    if offline or model_cache not in TO_FETCH or bytes_to_fetch <= model_disk_free:
        return None
    fix = model_at_hand(chat_model, model)
    todo = advice([fix], "Choose a smaller model, or ask staff to make room.")
    return broken(fix=fix, model=model, needed=size(bytes_to_fetch), free=size(model_disk_free), advice=todo)


@rule(
    code="cache.not-cached",
    severity=Severity.WARNING,
    field="model.name",
    message="{model} is {state} on this machine: {amount} will be downloaded before training starts{time}. Download it "
    "first if you do not want the job to wait.",
    breaks={
        "model": "gpt2",
        "model_cache": "absent",
        "offline": False,
        "bytes_to_fetch": 548_000_000,
        "bytes_per_second": 10_000_000,
    },
)
def not_cached(
    model: str,
    model_cache: str,
    offline: bool,
    bytes_to_fetch: int | None = None,
    bytes_per_second: int | None = None,
    model_disk_free: int | None = None,
    gated: bool = False,
    hub_token: bool = True,
    unfetchable: str = "",
) -> Broken | None:
    """A download of gigabytes is the longest part of a small job, and should not come as a surprise."""
    locked = gated and not hub_token
    full = bytes_to_fetch is not None and model_disk_free is not None and bytes_to_fetch > model_disk_free
    if model_cache not in TO_FETCH or offline or locked or full or unfetchable:
        return None
    return broken(
        fix=Fix("Download first", action=Action("download-model", {"model": model})),
        model=model,
        state="not" if model_cache == "absent" else "only partly",
        amount=size(bytes_to_fetch) if bytes_to_fetch else "its files",
        time=f", {duration(bytes_to_fetch / bytes_per_second)}" if bytes_to_fetch and bytes_per_second else "",
    )
