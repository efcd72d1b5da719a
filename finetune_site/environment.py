"""Settings that come from environment variables: typed, documented, and refused clearly when wrong.

`docs/operations.md` shows them as a table made from this class by `environment_table.py`.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import annotated_types
import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "FORETUNE_"
SECRETS = ("DATABASE_URL", "HF_TOKEN", "FORETUNE_METRICS_TOKEN")
"""Variables whose values are never repeated."""


class WrongEnvironment(ImproperlyConfigured):
    """A variable has a value the portal cannot start with; the message is meant for the person at the terminal."""


def _split(separator: str) -> BeforeValidator:
    return BeforeValidator(
        lambda value: (
            tuple(part.strip() for part in value.split(separator) if part.strip()) if isinstance(value, str) else value
        )
    )


def _rate(value: str) -> str:
    if not re.fullmatch(r"[1-9]\d*/(sec|min|hour|day)", value):
        raise ValueError
    return value


def _database(value: str) -> str:
    if value and "postgresql" not in dj_database_url.parse(value).get("ENGINE", ""):
        raise ValueError
    return value


def _address(value: str) -> str:
    if not re.fullmatch(r"https?://[^/\s]+(/\S*)?", value):
        raise ValueError
    return value.rstrip("/")


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except ZoneInfoNotFoundError as error:
        raise ValueError from error
    return value


def _plain_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,80}", value):
        raise ValueError
    return value


def _made(folder: Path | None) -> Path | None:
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError from error
    return folder


def _networks(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        ip_network(name, strict=False)
    return names


Names = Annotated[tuple[str, ...], NoDecode, _split(","), "names separated by commas"]
Networks = Annotated[
    tuple[str, ...], NoDecode, _split(","), AfterValidator(_networks), "addresses or networks separated by commas"
]
Folders = Annotated[tuple[Path, ...], NoDecode, _split(":"), "folders separated by colons"]
Rate = Annotated[str, AfterValidator(_rate), "a number of calls by period, such as 600/min (sec, min, hour or day)"]
DatabaseUrl = Annotated[str, AfterValidator(_database), "postgresql://user:password@host:5432/name, or empty"]
PlainName = Annotated[str, AfterValidator(_plain_name), "1–80 letters, digits, dots, dashes or underscores"]
Address = Annotated[str, AfterValidator(_address), "an address such as https://hub.example.org"]
TimeZone = Annotated[str, AfterValidator(_time_zone), "a time zone such as UTC or Europe/Berlin"]
Folder = Annotated[Path, "a folder"]
CacheFolder = Annotated[Path | None, AfterValidator(_made), "a folder that exists or can be made, or empty"]
Secret = Annotated[str, "text"]


class Environment(BaseSettings):
    """One field a variable: `FORETUNE_HOME` fills `home`, and so on."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True)

    home: Folder = Field(ROOT / "var", description="Where database, uploads, runs, models and the secret key lie.")
    database_url: DatabaseUrl = Field(
        "", validation_alias="DATABASE_URL", description="PostgreSQL address. Empty: SQLite in the home."
    )
    debug: bool = Field(False, description="Show tracebacks in the browser. Never on a shared machine.")
    allowed_hosts: Names = Field(
        ("localhost", "127.0.0.1", "[::1]"),
        description="Host names the portal answers to. `serve --host` adds its own.",
    )
    trusted_origins: Names = Field(
        (), description="Addresses whose forms are accepted behind a proxy, such as https://tune.example.org."
    )
    proxies: Names = Field(
        (), description="Addresses of reverse proxies whose X-Forwarded-For and -Proto are believed. Empty: nobody's."
    )
    tls: bool = Field(
        False, description="People reach the portal by https only: secure cookies, HSTS, http is sent on to https."
    )
    local_roots: Folders = Field(
        (), description="Folders under which staff may register models and datasets. Empty: models/ in the home."
    )
    max_active_jobs: int = Field(20, ge=1, description="Jobs one person may have waiting or running.")
    max_gpus_per_user: int = Field(
        0, ge=0, description="GPUs that the jobs of one person may hold at once. 0: any number."
    )
    cpu_places: int = Field(1, ge=1, le=64, description="Trainings that a machine without a GPU runs at once.")
    max_upload_mb: int = Field(20_000, ge=1, description="Largest upload in MB.")
    dataset_days: int = Field(0, ge=0, description="Days without a job after which a dataset is deleted. 0: never.")
    run_days: int = Field(
        0, ge=0, description="Days after its end for which a run keeps checkpoints and training rows. 0: for ever."
    )
    result_days: int = Field(
        0, ge=0, description="Days after its end for which a run keeps the weights that came out. 0: for ever."
    )
    disk_floor_mb: int = Field(
        1000, ge=0, description="MB that must stay free on the disk of the runs; below it no training starts."
    )
    download_mb_per_second: float = Field(20.0, gt=0, description="Download speed that time estimates assume, in MB/s.")
    machine_name: PlainName = Field(
        default_factory=lambda: re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:80] or "machine",
        description="Name of this machine in the queue. Two machines on one database need two names.",
    )
    time_zone: TimeZone = Field("UTC", description="Time zone of the pages and logs.")
    checkpoint_minutes: float = Field(
        10.0, gt=0, le=1440, description="Minutes of training after which a checkpoint is written."
    )
    tick_seconds: float = Field(3.0, ge=0.2, le=60, description="How often the queue is looked at, in seconds.")
    api_rate: Rate = Field("6000/min", description="API calls one person may make.")
    anonymous_rate: Rate = Field("60/min", description="API calls one address may make without a token.")
    login_rate: Rate = Field("60/min", description="Calls for a token one address may make.")
    login_failures: int = Field(5, ge=1, description="Wrong passwords in a row that lock an account for one address.")
    login_lock_minutes: int = Field(15, ge=1, description="How long such a lock lasts, in minutes.")
    token_days: int = Field(90, ge=1, le=3650, description="Days until an API token ends, unless its owner says less.")
    metrics_token: Secret = Field(
        "", repr=False, description="With it programs may read /metrics and /readyz: Authorization: Bearer TOKEN."
    )
    metrics_from: Networks = Field(
        (), description="From where programs may read them without: 127.0.0.1 or 10.0.0.0/8, say. Empty: nowhere."
    )
    offline: bool = Field(False, validation_alias="HF_HUB_OFFLINE", description="Never reach the model hub.")
    hub_endpoint: Address = Field(
        "https://huggingface.co",
        validation_alias="HF_ENDPOINT",
        description="Address of the model hub, or of a mirror.",
    )
    hub_cache: CacheFolder = Field(
        None,
        validation_alias="HF_HUB_CACHE",
        description="The Hugging Face cache, to share one. Empty: hub/ in the home.",
    )
    hub_token: Secret = Field(
        "", validation_alias="HF_TOKEN", repr=False, description="Token for gated models of the hub."
    )


def variable(name: str) -> str:
    """The environment variable that fills a field."""
    return str(Environment.model_fields[name].validation_alias or f"{PREFIX}{name.upper()}")


def wanted(field: FieldInfo) -> str:
    """What a value must be, in words: "a whole number, at least 1"."""
    said = [note for note in field.metadata if isinstance(note, str)]
    kinds: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number"}
    return ", ".join(said or [kinds[field.annotation], *_limits(field)])


def _limits(field: FieldInfo) -> Iterator[str]:
    for limit in field.metadata:
        match limit:
            case annotated_types.Ge(ge=value):
                yield f"at least {value}"
            case annotated_types.Gt(gt=value):
                yield f"above {value}"
            case annotated_types.Le(le=value):
                yield f"at most {value}"


def read_environment() -> Environment:
    """The variables as values; raises `WrongEnvironment` naming every wrong and every misspelt one."""
    problems = list(_unknown_variables())
    try:
        environment = Environment()
    except ValidationError as wrong:
        problems += [_sentence(error) for error in wrong.errors(include_url=False)]
    if problems:
        raise WrongEnvironment("\n".join(problems))
    return environment


def _sentence(error: Any) -> str:
    by_variable = {variable(name): field for name, field in Environment.model_fields.items()}
    name = str(error["loc"][0])
    name = name if name in by_variable else variable(name)
    got = "" if name in SECRETS else f"; got {error['input']!r}"
    return f"{name} must be {wanted(by_variable[name])}{got}."


def _unknown_variables() -> Iterator[str]:
    """A misspelt variable would be ignored in silence, and its default used. Names like none of ours are others'."""
    known = [variable(name).removeprefix(PREFIX) for name in Environment.model_fields]
    given = (name.removeprefix(PREFIX) for name in sorted(os.environ) if name.startswith(PREFIX))
    for name in given:
        if name not in known and (nearest := get_close_matches(name, known, n=1, cutoff=0.7)):
            yield f"{PREFIX}{name} is not a setting. Did you mean {PREFIX}{nearest[0]}?"
