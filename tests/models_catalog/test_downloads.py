"""Fetching from a small hub of our own: what arrives, what is told meanwhile, and what each failure says."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from finetune_site.problems import Problem
from models_catalog.cache import cache_state
from models_catalog.downloads import fetch, fetch_model
from models_catalog.models import BaseModel, Download
from tests.make import write_model_files

from .folders import make_hub_model
from .hub import COMMIT, Hub

pytestmark = pytest.mark.django_db


@pytest.fixture
def published(hub: Hub, tmp_path: Path) -> BaseModel:
    """A model of the hub, with a pickle and a GGUF beside its safetensors."""
    write_model_files(tmp_path / "published")
    hub.publish("acme/tiny-llama", tmp_path / "published", pytorch_model__bin=b"pickle", tiny__gguf=b"GGUF")
    return make_hub_model()


def make_download(model: BaseModel, **changes: object) -> Download:
    return Download.objects.create(model=model, **changes)


def refusal(model: BaseModel, revision: str | None = None) -> str:
    with pytest.raises(Problem) as refused:
        fetch_model(model, lambda done, total: None, revision)
    [finding] = refused.value.findings
    return finding.code


def test_a_fetched_model_is_cached(published: BaseModel) -> None:
    folder = fetch_model(published, lambda done, total: None)
    state = cache_state(published)
    assert (state.state, state.folder, state.bytes_to_fetch) == ("cached", folder, 0)


def test_pickles_are_never_fetched(hub: Hub, published: BaseModel) -> None:
    folder = fetch_model(published, lambda done, total: None)
    assert {file.name for file in folder.iterdir()} == {
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "model.safetensors",
    }
    assert not [call for call in hub.served if "pytorch_model" in call or "gguf" in call]


def test_progress_ends_with_all_bytes(published: BaseModel) -> None:
    heard: list[tuple[int, int | None]] = []
    fetch_model(published, lambda done, total: heard.append((done, total)))
    assert heard[-1][0] == heard[-1][1] == cache_state(published).bytes_on_disk


def test_a_slow_download_tells_how_far_it_is(hub: Hub, published: BaseModel) -> None:
    hub.repositories["acme/tiny-llama"]["model.safetensors"] += bytes(200_000)
    hub.pause = 1.2
    heard: list[int] = []
    fetch_model(published, lambda done, total: heard.append(done))
    assert len(heard) >= 2
    assert heard == sorted(heard)


def test_raising_in_the_progress_stops_a_download(hub: Hub, published: BaseModel) -> None:
    hub.repositories["acme/tiny-llama"]["model.safetensors"] += bytes(200_000)
    hub.pause = 1.2

    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_model(published, stop)
    assert cache_state(published).state != "cached"


def test_a_cached_model_is_not_asked_for_again(hub: Hub, published: BaseModel) -> None:
    fetch_model(published, lambda done, total: None)
    hub.served.clear()
    fetch_model(published, lambda done, total: None)
    assert hub.served == []


def test_the_hubs_size_beats_the_catalogues(hub: Hub, published: BaseModel) -> None:
    fetch_model(published, lambda done, total: None)
    published.refresh_from_db()
    assert published.size_bytes == cache_state(published).bytes_on_disk


def test_a_broken_off_download_is_a_network_problem(hub: Hub, published: BaseModel) -> None:
    hub.repositories["acme/tiny-llama"]["model.safetensors"] += bytes(200_000)
    hub.break_off = True
    assert refusal(published) == "catalogue.network"
    state = cache_state(published)
    weights = len(hub.repositories["acme/tiny-llama"]["model.safetensors"])
    assert (state.state, state.bytes_to_fetch) == ("absent", weights)  # the small files have arrived, no weights yet


def test_a_hub_that_does_not_answer_is_a_network_problem(online: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    assert refusal(make_hub_model()) == "catalogue.network"


def test_a_model_that_the_hub_does_not_know_is_said(hub: Hub) -> None:
    assert refusal(make_hub_model("acme/no-such-model")) == "catalogue.not-found"


def test_a_revision_that_the_hub_does_not_know_is_said(published: BaseModel) -> None:
    assert refusal(published, "no-such-branch") == "catalogue.no-revision"


def test_a_commit_can_be_fetched(published: BaseModel) -> None:
    folder = fetch_model(published, lambda done, total: None, COMMIT)
    assert cache_state(published, COMMIT).folder == folder


def test_a_gated_model_without_a_token_says_where_to_put_it(hub: Hub, published: BaseModel) -> None:
    hub.gated.add(published.name)
    with pytest.raises(Problem, match="HF_TOKEN"):
        fetch_model(published, lambda done, total: None)


def test_a_gated_model_is_fetched_with_the_token(hub: Hub, published: BaseModel, settings: Settings) -> None:
    hub.gated.add(published.name)
    hub.token = "secret"
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"hub_token": "secret"})
    assert fetch_model(published, lambda done, total: None).is_dir()


def test_a_token_that_lies_in_somebodys_home_is_not_used(
    hub: Hub, published: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.gated.add(published.name)
    hub.token = "somebodys"
    (tmp_path / "token").write_text("somebodys")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    assert refusal(published) == "catalogue.gated"


def test_a_repository_without_safetensors_is_refused(hub: Hub) -> None:
    hub.repositories["acme/tiny-llama"] = {"config.json": b"{}", "pytorch_model.bin": b"pickle"}
    assert refusal(make_hub_model()) == "catalogue.unsafe"


def test_a_full_disk_is_said_before_anything_is_fetched(
    hub: Hub, published: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models_catalog.downloads.SPARE", 10**18)
    assert refusal(published) == "catalogue.disk"
    assert not [call for call in hub.served if "resolve" in call]


def test_a_local_model_is_never_fetched(hub: Hub) -> None:
    model = make_hub_model(source="local", path="/gone")
    assert refusal(model) == "catalogue.local"
    assert hub.served == []


def test_the_task_writes_the_end_in_its_row(published: BaseModel) -> None:
    download = make_download(published)
    fetch(download.pk)
    download.refresh_from_db()
    assert (download.state, download.error, download.percent) == ("done", None, 100)


def test_the_task_writes_a_failure_as_a_finding(hub: Hub) -> None:
    download = make_download(make_hub_model("acme/no-such-model"))
    fetch(download.pk)
    download.refresh_from_db()
    assert download.state == "failed"
    assert download.error["code"] == "catalogue.not-found"


def test_an_error_of_ours_gets_a_reference(published: BaseModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models_catalog.downloads.snapshot_download", None)
    download = make_download(published)
    fetch(download.pk)
    download.refresh_from_db()
    assert download.error["code"] == "catalogue.unexpected"


@pytest.mark.parametrize("state", ["running", "done", "failed"])
def test_a_repeated_delivery_does_nothing(hub: Hub, published: BaseModel, state: str) -> None:
    download = make_download(published, state=state)
    fetch(download.pk)
    assert hub.served == []


def test_a_download_whose_worker_died_is_taken_over(published: BaseModel) -> None:
    download = make_download(published, state="running")
    Download.objects.update(touched_at="2020-01-01T00:00:00Z")
    fetch(download.pk)
    download.refresh_from_db()
    assert download.state == "done"


def test_a_portal_that_is_offline_says_so() -> None:
    assert refusal(make_hub_model()) == "catalogue.offline"


def test_the_time_left_follows_from_the_speed() -> None:
    download = Download(state="running", bytes_done=1_000_000, bytes_total=4_000_000, bytes_per_second=20_000)
    assert download.text == "1 MB of 4 MB, 20 kB a second, about 2 minutes left"
    assert Download(state="running", bytes_done=0, bytes_total=4_000_000).time_left is None
    assert Download(state="done", bytes_done=1, bytes_total=1, bytes_per_second=1).time_left is None
