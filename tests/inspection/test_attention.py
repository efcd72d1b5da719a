"""Some public models ask in config.json for attention kernels that need a package and a GPU."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")

from jobs.rehearsal.stand_in import make_stand_in
from jobs.trainer.decisions import Precision
from jobs.trainer.loading import load_model
from jobs.trainer.run_file import RunFile
from models_catalog.inspection.building import build, read_config
from tests.tiny_models import make_tiny_model
from tests.trainer.runs import make_run


@pytest.fixture(scope="module")
def flash(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_tiny_model(tmp_path_factory.mktemp("models") / "flash", "llama", chat=True)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "attn_implementation": "flash_attention_2"}))
    return folder


def test_such_a_model_is_built_and_looked_at(flash: Path) -> None:
    assert build(read_config(flash)).num_parameters() > 0


def test_it_is_rehearsed(flash: Path, tmp_path: Path) -> None:
    assert make_stand_in(flash, tmp_path / "stand-in").architecture == "LlamaForCausalLM"


def test_the_trainer_loads_it_with_attention_that_runs_here(flash: Path, tmp_path: Path) -> None:
    run = RunFile.of(make_run(tmp_path, flash))
    assert load_model(run, Precision("float32", None)).config._attn_implementation == "sdpa"


def test_what_runs_everywhere_is_left_as_it_is(flash: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(flash, tmp_path / "eager")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "attn_implementation": "eager"}))
    run = RunFile.of(make_run(tmp_path, folder))
    assert load_model(run, Precision("float32", None)).config._attn_implementation == "eager"
