"""The demo does what a new user does, and can be run again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from finetune_site import demo
from finetune_site.environment import ROOT
from jobs.demo.sample import GREETING


@pytest.mark.slow
def test_the_demo_teaches_the_model_to_greet_as_the_keeper(tmp_path: Path) -> None:
    """A third of its steps, which is enough for the greeting; the whole takes minutes."""
    command = [sys.executable, str(ROOT / "manage.py"), "demo", "--no-serve", "--port", "0", "--steps", "20"]
    environment = {**os.environ, "FORETUNE_HOME": str(tmp_path), "COLUMNS": "100"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1500, check=False)
    assert done.returncode == 0, done.stderr
    before, after = done.stdout.partition("─ before ─")[2].split("─ after ─")
    assert GREETING not in before
    assert GREETING in after
    assert re.search(r"(\d+)/\1 loss \d\.\d{3}", done.stdout)
    artifacts = {file.name for file in (tmp_path / "runs" / "1" / "1" / "output").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"} <= artifacts


@pytest.mark.django_db
def test_a_second_demo_keeps_account_and_dataset_and_gives_a_new_password() -> None:
    user, password = demo.demo_user()
    dataset = demo.demo_dataset(user)
    again, new_password = demo.demo_user()
    assert again == user
    assert demo.demo_dataset(again) == dataset
    assert new_password != password
    assert again.check_password(new_password)


@pytest.mark.django_db
def test_the_sample_is_a_clean_chat_dataset() -> None:
    user, _ = demo.demo_user()
    dataset = demo.demo_dataset(user)
    assert (dataset.format, dataset.bad_rows) == ("messages", 0)
    assert dataset.rows >= 200
