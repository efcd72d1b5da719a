"""Model folders and hub caches made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
from safetensors.numpy import save_file

from models_catalog.models import BaseModel
from tests.make import make_family, write_model_files

COMMIT = 40 * "a"


def make_hub_model(name: str = "acme/tiny-llama", *, family: str = "Llama", **changes: Any) -> BaseModel:
    return BaseModel.objects.create(name=name, family=make_family(family), **{"size_bytes": 5_000_000, **changes})


def make_cached(cache: Path, name: str = "acme/tiny-llama", *, leave_out: str = "", **options: Any) -> Path:
    """A complete snapshot as the hub's library leaves it; `leave_out` names a file that has not arrived."""
    repository = cache / ("models--" + name.replace("/", "--"))
    snapshot = repository / "snapshots" / COMMIT
    write_model_files(snapshot, **options)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    (repository / "blobs").mkdir()
    for number, file in enumerate(sorted(snapshot.iterdir())):
        file.rename(repository / "blobs" / f"blob{number}")
        if file.name != leave_out:
            file.symlink_to(Path("../../blobs") / f"blob{number}")
    return snapshot


def write_weights(file: Path, *names: str, shape: tuple[int, ...] = (4, 4)) -> None:
    save_file({name: numpy.zeros(shape, "float32") for name in names}, file)


def write_shards(folder: Path, *, missing: bool = False) -> None:
    """Two shards with their index in place of the single file."""
    (folder / "model.safetensors").unlink()
    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    places = {"model.layers.0.self_attn.q_proj.weight": first, "model.layers.0.mlp.up_proj.weight": second}
    for name, file in places.items():
        write_weights(folder / file, name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    if missing:
        (folder / second).unlink()


def edit_json(file: Path, **changes: Any) -> None:
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(content | changes))
