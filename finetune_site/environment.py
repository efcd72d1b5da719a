"""Settings that come from environment variables: typed, documented, and refused clearly when wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent


class Environment(BaseSettings):
    """One field a variable; `FORETUNE_HOME` fills `home`, and so on."""

    model_config = SettingsConfigDict(env_prefix="FORETUNE_", env_ignore_empty=True)

    home: Path = Field(ROOT / "var", description="Where database, uploads, runs, models and the secret key lie.")
    debug: bool = Field(False, description="Show tracebacks in the browser. Never on a shared machine.")
    allowed_hosts: str = Field("localhost,127.0.0.1,[::1]", description="Host names the portal answers to, separated by commas.")
    local_roots: str = Field("", description="Folders under which staff may register models, separated by colons. Default: models/ in the home.")
    max_active_jobs: int = Field(20, ge=1, description="Jobs one person may have waiting or running.")
    max_upload_mb: int = Field(20_000, ge=1, description="Largest upload in MB.")
    download_mb_per_second: float = Field(20.0, gt=0, description="Download speed assumed for time estimates, in MB/s.")
    database_url: str = Field("", validation_alias="DATABASE_URL", description="PostgreSQL address; empty means SQLite in the home.")
    offline: bool = Field(False, validation_alias="HF_HUB_OFFLINE", description="Never reach the model hub.")
    hub_token: str = Field("", validation_alias="HF_TOKEN", description="Token for gated models of the hub.")
