"""Registering models: folders of this machine and repositories of the hub, and who may not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from finetune_site.problems import Problem
from models_catalog.models import BaseModel
from models_catalog.services import register_hub, register_local
from tests.make import write_model_files

from .folders import edit_json, write_shards, write_weights

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(local_root: Path) -> Path:
    write_model_files(local_root / "ours")
    return local_root / "ours"


def findings(path: Path | str, name: str = "house/ours", **options: Any) -> list[tuple[str, str | None]]:
    with pytest.raises(Problem) as refused:
        register_local(name=name, path=str(path), **options)
    assert not BaseModel.objects.filter(name=name, source="local").exists()
    return [(finding.code.removeprefix("catalogue."), finding.field) for finding in refused.value.findings]


def test_a_folder_becomes_a_model_with_what_its_files_say(folder: Path) -> None:
    model = register_local(name="house/ours", path=str(folder))
    assert (model.source, model.path, model.family.name) == ("local", str(folder.resolve()), "Llama")
    assert (model.parameters, model.context_length, model.supports_chat) == (7 * 64, 2048, True)


def test_shards_are_fine(folder: Path) -> None:
    write_shards(folder)
    assert register_local(name="house/ours", path=str(folder)).parameters == 32


def test_a_named_family_is_kept(folder: Path) -> None:
    assert register_local(name="house/ours", path=str(folder), family="Mistral").family.name == "Mistral"


def test_a_link_that_stays_under_a_root_is_followed(folder: Path, local_root: Path) -> None:
    (local_root / "alias").symlink_to(folder)
    assert register_local(name="house/ours", path=str(local_root / "alias")).path == str(folder.resolve())


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    write_model_files(tmp_path / "outside")
    return tmp_path / "outside"


def test_a_folder_elsewhere_is_refused(outside: Path) -> None:
    assert findings(outside) == [("path-outside", "path")]


def test_dots_do_not_lead_out(local_root: Path, outside: Path) -> None:
    assert findings(f"{local_root}/../outside") == [("path-outside", "path")]


def test_a_link_does_not_lead_out(local_root: Path, outside: Path) -> None:
    (local_root / "innocent").symlink_to(outside)
    assert findings(local_root / "innocent") == [("path-outside", "path")]


def test_a_folder_beside_the_root_with_a_longer_name_is_refused(local_root: Path, outside: Path) -> None:
    shutil.move(outside, f"{local_root}-more")
    assert findings(f"{local_root}-more") == [("path-outside", "path")]


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_file_that_is_a_link_out_is_refused(folder: Path, outside: Path, file: str) -> None:
    (folder / file).unlink()
    (folder / file).symlink_to(outside / file)
    assert findings(folder) == [("path-link", "path")]


@pytest.mark.parametrize("path", ["", "ours", "./ours", "\0", "/a\0b", "/" + "x" * 5000, "/no/such/folder"])
def test_what_is_no_path_is_refused(folder: Path, path: str) -> None:
    [(code, field)] = findings(path)
    assert code in {"path", "path-outside"}
    assert field == "path"


def test_links_in_a_circle_are_refused(local_root: Path) -> None:
    (local_root / "a").symlink_to(local_root / "b")
    (local_root / "b").symlink_to(local_root / "a")
    assert findings(local_root / "a") == [("path", "path")]


def test_a_file_is_no_folder(folder: Path) -> None:
    assert findings(folder / "config.json") == [("path", "path")]


def test_pickles_alone_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert findings(folder) == [("pickle-only", "path")]


def test_gguf_alone_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model.gguf")
    assert findings(folder) == [("gguf-only", "path")]


def test_pickles_beside_safetensors_are_fine(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    assert register_local(name="house/ours", path=str(folder)).pk


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_code_of_its_own_is_refused(folder: Path, file: str) -> None:
    edit_json(folder / file, auto_map={"AutoModel": "code.Model"})
    assert findings(folder) == [("own-code", "path")]


def test_a_missing_shard_is_refused(folder: Path) -> None:
    write_shards(folder, missing=True)
    assert findings(folder) == [("incomplete", "path")]


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json"])
def test_a_missing_file_is_refused(folder: Path, file: str) -> None:
    (folder / file).unlink()
    assert findings(folder) == [("incomplete", "path")]


def test_weights_that_are_cut_off_are_refused(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert findings(folder) == [("unreadable", "path")]


def test_everything_wrong_is_said_at_once(folder: Path) -> None:
    (folder / "config.json").unlink()
    assert findings(folder, name="a b", family="Lama") == [
        ("name", "name"),
        ("family", "family"),
        ("incomplete", "path"),
    ]


@pytest.mark.parametrize("said", ["GPT-NeoX / Pythia", "gpt-neox / pythia", "gpt_neox"])
def test_a_family_is_known_by_its_name_or_a_model_type(said: str) -> None:
    assert register_hub(name="house/ours", family=said).family.name == "GPT-NeoX / Pythia"


def test_a_misspelt_family_names_the_nearest(folder: Path) -> None:
    with pytest.raises(Problem, match="Did you mean Llama"):
        register_local(name="house/ours", path=str(folder), family="Lama")


def test_a_name_is_taken_once(folder: Path) -> None:
    register_local(name="house/ours", path=str(folder))
    with pytest.raises(Problem, match="has a model HOUSE/ours already"):
        register_local(name="HOUSE/ours", path=str(folder))


def test_a_hub_model_gets_its_family_from_its_name() -> None:
    model = register_hub(name="acme/Qwen2.5-0.5B-tuned")
    assert (model.source, model.family.name, model.size_bytes) == ("hub", "Qwen2", None)


@pytest.mark.parametrize(
    "name", ["", "../x", "a/b/c", "a--b", "a/..", "-a", "a b", "a\nb", "a\0", "http://x/y", "é", "x" * 97]
)
def test_what_is_no_hub_id_is_refused(name: str) -> None:
    with pytest.raises(Problem) as refused:
        register_hub(name=name)
    assert [finding.field for finding in refused.value.findings] == ["name"]


def test_weights_of_another_name_are_not_enough(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    write_weights(folder / "adapter_model.safetensors", "x.weight")
    assert findings(folder) == [("incomplete", "path")]
