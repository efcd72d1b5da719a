"""Whether a model's files are at hand, on caches made by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from pytest_django import Settings

from models_catalog.cache import CacheState, State, cache_state
from models_catalog.models import BaseModel
from tests.make import make_model

from .folders import COMMIT, make_cached, make_hub_model, write_shards

pytestmark = pytest.mark.django_db


@pytest.fixture
def cache(settings: Settings) -> Path:
    return Path(settings.HUB_CACHE_DIR)


@pytest.fixture
def model() -> BaseModel:
    return make_hub_model()


def test_a_model_without_a_folder_is_absent(model: BaseModel) -> None:
    assert cache_state(model) == CacheState(State.ABSENT, 0, 5_000_000, None)


def test_a_complete_snapshot_is_cached(cache: Path, model: BaseModel) -> None:
    snapshot = make_cached(cache)
    state = cache_state(model)
    assert (state.state, state.bytes_to_fetch, state.folder) == ("cached", 0, snapshot)
    assert state.bytes_on_disk > 1000
    assert state.text == "✓ cached"


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_snapshot_that_lacks_a_file_is_partial(cache: Path, model: BaseModel, file: str) -> None:
    make_cached(cache, leave_out=file)
    state = cache_state(model)
    assert (state.state, state.folder) == ("partial", None)
    assert state.bytes_to_fetch == 5_000_000 - state.bytes_on_disk


def test_every_shard_of_the_index_must_be_there(cache: Path, model: BaseModel) -> None:
    snapshot = make_cached(cache)
    write_shards(snapshot)
    assert cache_state(model).state == "cached"
    (snapshot / "model-00002-of-00002.safetensors").unlink()
    assert cache_state(model).state == "partial"


def test_an_unfinished_file_makes_it_partial(cache: Path, model: BaseModel) -> None:
    snapshot = make_cached(cache)
    (snapshot.parents[1] / "blobs" / "abc.1234.incomplete").write_bytes(b"half")
    assert cache_state(model).state == "partial"


def test_the_hubs_own_listing_beats_a_leftover(cache: Path, model: BaseModel) -> None:
    repository = make_cached(cache).parents[1]
    (repository / "blobs" / "abc.1234.incomplete").write_bytes(b"half")
    list_files(repository, "config.json", "model.safetensors")
    assert cache_state(model).state == "cached"


def test_a_listed_file_that_is_missing_makes_it_partial(cache: Path, model: BaseModel) -> None:
    list_files(make_cached(cache).parents[1], "config.json", "chat_template.jinja")
    state = cache_state(model)
    assert (state.state, state.bytes_to_fetch) == ("partial", 7)


def list_files(repository: Path, *names: str) -> None:
    (repository / "trees").mkdir()
    listing = {"format_version": 1, "files": {name: {"size": 7, "blob_id": "x"} for name in names}}
    (repository / "trees" / f"{COMMIT}.json").write_text(json.dumps(listing))


def test_a_revision_is_found_by_name_or_commit(cache: Path, model: BaseModel) -> None:
    snapshot = make_cached(cache)
    (snapshot.parents[1] / "refs" / "v2").write_text(COMMIT)
    assert cache_state(model, "v2").folder == cache_state(model, COMMIT).folder == snapshot
    assert cache_state(model, "v3").state == "partial"


@pytest.mark.parametrize("revision", ["../refs/main", "/etc/passwd", "..", "main\0", "x" * 5000])
def test_a_revision_never_becomes_a_path(cache: Path, model: BaseModel, revision: str) -> None:
    make_cached(cache)
    assert cache_state(model, revision).folder is None


@pytest.mark.parametrize("commit", ["", "../../elsewhere", "\0", "a" * 39])
def test_a_broken_reference_is_not_followed(cache: Path, model: BaseModel, commit: str) -> None:
    (make_cached(cache).parents[1] / "refs" / "main").write_text(commit)
    assert cache_state(model).state == "partial"


def test_a_local_folder_is_local() -> None:
    state = cache_state(make_model())
    assert (state.state, state.bytes_to_fetch, state.at_hand) == ("local", 0, True)


def test_a_local_folder_that_is_gone_is_absent() -> None:
    model = make_model()
    shutil.rmtree(model.path)
    state = cache_state(model)
    assert (state.state, state.bytes_to_fetch, state.text) == ("absent", None, "⬇ to download")


def test_the_size_to_download_is_shown() -> None:
    assert cache_state(make_hub_model(size_bytes=2_900_000_000)).text == "⬇ 2.9 GB to download"


def test_no_size_is_made_up() -> None:
    assert cache_state(make_hub_model(size_bytes=None)).bytes_to_fetch is None
