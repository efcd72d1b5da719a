"""Fetching from a small hub of our own: what arrives, what is told meanwhile, and what each failure says."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings as site
from django.utils import timezone
from huggingface_hub import snapshot_download
from pytest_django import Settings

from models_catalog import download_process, transfer
from models_catalog.cache import cache_state
from models_catalog.download_plan import drop_partial, plan_of
from models_catalog.download_process import BACKOFF, Fetch, bring_all
from models_catalog.hub_files import PART, repository_folder
from models_catalog.models import BaseModel, Download
from tests.make import write_model_files

from . import hub as hub_module
from .fetching import fetched, make_running
from .folders import make_hub_model
from .hub import COMMIT, Hub, running_elsewhere

pytestmark = pytest.mark.django_db
NAME = "acme/tiny-llama"
WEIGHTS = "model.safetensors"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PAUSE", 0.01)
    monkeypatch.setattr(download_process, "EVERY", 0.1)


@pytest.fixture
def published(hub: Hub, tmp_path: Path) -> BaseModel:
    """A model of the hub, with a pickle and a GGUF beside its safetensors."""
    write_model_files(tmp_path / "published")
    hub.publish(NAME, tmp_path / "published", pytorch_model__bin=b"pickle", tiny__gguf=b"GGUF")
    return make_hub_model()


@pytest.fixture
def large(hub: Hub, published: BaseModel) -> BaseModel:
    """The same with weights large enough to be slow, to break off, and to be kept apart."""
    hub.repositories[NAME][WEIGHTS] += bytes(range(250)) * 2000
    return published


def ended(model: BaseModel, **changes: object) -> tuple[str, str]:
    """State and code of a download that did not succeed."""
    download = fetched(model, **changes)
    assert download.error["field"] == ("model.revision" if "revision" in changes else "model.name")
    assert download.bytes_reserved == 0
    return download.state, download.error["code"].partition(".")[2]


def blobs() -> Path:
    return repository_folder(site.HUB_CACHE_DIR, NAME) / "blobs"


def lie_there(hub: Hub, number: int, *, spoil: bool = False) -> Path:
    """The first bytes of the weights, as a download that was killed leaves them."""
    content = hub.repositories[NAME][WEIGHTS]
    part = blobs() / f"{hashlib.sha256(content).hexdigest()}{PART}"
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(bytes(number) if spoil else content[:number])
    return part


# What arrives


def test_a_fetched_model_is_cached(published: BaseModel) -> None:
    download = fetched(published)
    state = cache_state(published)
    assert (download.state, download.error, download.percent) == ("done", None, 100)
    assert (state.state, state.bytes_to_fetch) == ("cached", 0)


def test_what_arrives_is_found_by_the_hubs_own_library(large: BaseModel, hub: Hub) -> None:
    fetched(large)
    needed = ["*.json", "*.safetensors"]
    folder = snapshot_download(NAME, cache_dir=site.HUB_CACHE_DIR, allow_patterns=needed, local_files_only=True)
    assert (Path(folder) / WEIGHTS).read_bytes() == hub.repositories[NAME][WEIGHTS]
    assert cache_state(large).folder == Path(folder)


def test_pickles_are_never_fetched(hub: Hub, published: BaseModel) -> None:
    fetched(published)
    folder = cache_state(published).folder
    assert folder
    assert {file.name for file in folder.iterdir()} == {
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        WEIGHTS,
    }
    assert not [call for call in hub.served if "pytorch_model" in call or "gguf" in call]


def test_an_empty_file_and_one_that_comes_twice_arrive(hub: Hub, published: BaseModel) -> None:
    hub.repositories[NAME] |= {"merges.txt": b"", "vocab.json": b"{}", "added_tokens.json": b"{}"}
    fetched(published)
    folder = cache_state(published).folder
    assert folder
    assert (folder / "merges.txt").read_bytes() == b""
    assert (folder / "vocab.json").read_bytes() == (folder / "added_tokens.json").read_bytes() == b"{}"
    assert sum(hub.sent[name] for name in ("vocab.json", "added_tokens.json")) == 2


def test_a_model_that_is_here_is_not_fetched_again(hub: Hub, large: BaseModel) -> None:
    fetched(large)
    hub.calls.clear()
    assert fetched(large).state == "done"
    assert hub.calls == []


def test_the_hubs_size_beats_the_catalogues(published: BaseModel) -> None:
    fetched(published)
    published.refresh_from_db()
    assert published.size_bytes == cache_state(published).bytes_on_disk


def test_a_commit_can_be_fetched(published: BaseModel) -> None:
    assert fetched(published, revision=COMMIT).state == "done"
    assert cache_state(published, COMMIT).at_hand


# Going on


def test_a_download_goes_on_from_what_lies_there(hub: Hub, large: BaseModel) -> None:
    lie_there(hub, 400_000)
    download = fetched(large)
    whole = len(hub.repositories[NAME][WEIGHTS])
    assert download.state == "done"
    assert download.bytes_found == 400_000
    assert hub.sent[WEIGHTS] == whole - 400_000
    assert dict(hub.calls)[WEIGHTS]["Range"] == "bytes=400000-"


def test_a_whole_partial_file_is_only_proved(hub: Hub, large: BaseModel) -> None:
    lie_there(hub, len(hub.repositories[NAME][WEIGHTS]))
    assert fetched(large).state == "done"
    assert hub.sent[WEIGHTS] == 0


def test_wrong_bytes_that_lie_there_are_thrown_away(hub: Hub, large: BaseModel) -> None:
    lie_there(hub, 400_000, spoil=True)
    assert fetched(large).state == "done"
    folder = cache_state(large).folder
    assert folder and (folder / WEIGHTS).read_bytes() == hub.repositories[NAME][WEIGHTS]


def test_more_bytes_than_there_should_be_are_thrown_away(hub: Hub, large: BaseModel) -> None:
    part = lie_there(hub, 0)
    part.write_bytes(bytes(len(hub.repositories[NAME][WEIGHTS]) + 1))
    assert fetched(large).state == "done"


def test_a_content_of_another_length_is_fetched_again(hub: Hub, large: BaseModel) -> None:
    part = lie_there(hub, 100)
    part.rename(part.with_name(part.name.removesuffix(PART)))
    assert fetched(large).state == "done"
    assert hub.sent[WEIGHTS] == len(hub.repositories[NAME][WEIGHTS])


def test_a_hub_that_breaks_off_again_and_again_is_asked_for_the_rest(hub: Hub, large: BaseModel) -> None:
    hub.break_off_after = [200_000, 150_000]
    assert fetched(large).state == "done"
    assert hub.sent[WEIGHTS] == len(hub.repositories[NAME][WEIGHTS])


def test_a_hub_that_cannot_go_on_begins_anew(hub: Hub, large: BaseModel) -> None:
    hub.ranges = False
    hub.break_off_after = [200_000]
    assert fetched(large).state == "done"
    assert hub.sent[WEIGHTS] == len(hub.repositories[NAME][WEIGHTS]) + 200_000


def test_what_is_still_to_fetch_leaves_out_what_has_arrived(hub: Hub, large: BaseModel) -> None:
    hub.break_off_after = [200_000, 0]
    assert fetched(large).state == "waiting"
    state = cache_state(large)
    weights = len(hub.repositories[NAME][WEIGHTS])
    small = sum(map(len, hub.repositories[NAME].values())) - weights  # they may have been cut off as well
    assert state.state == "partial"
    assert weights - 200_000 <= (state.bytes_to_fetch or 0) <= weights - 200_000 + small


# What is told meanwhile


def test_a_slow_download_tells_how_far_and_how_fast_it_is(
    hub: Hub, large: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.bytes_per_second = 400_000
    told: list[Download] = []
    beat = Fetch._beat

    def listen(self: Fetch) -> None:
        beat(self)
        told.append(Download.objects.get())

    monkeypatch.setattr(Fetch, "_beat", listen)
    assert fetched(large).state == "done"
    assert [row.bytes_done for row in told] == sorted(row.bytes_done for row in told)
    late = [row for row in told if row.bytes_done > 200_000]
    assert late
    assert all(0 < (row.bytes_per_second or 0) < 800_000 for row in late)
    assert all(row.time_left is not None for row in late)
    assert all(row.bytes_reserved == (row.bytes_total or 0) - row.bytes_done for row in late)


def test_a_wish_to_cancel_is_heard_while_the_hub_is_silent(hub: Hub, large: BaseModel) -> None:
    hub.pause = 30
    download = make_running(large)
    begun = time.monotonic()
    Download.objects.update(cancel_requested=True)
    Fetch(download).run()
    download.refresh_from_db()
    assert (download.state, download.error) == ("cancelled", None)
    assert time.monotonic() - begun < 15


def test_a_process_that_says_nothing_is_not_said_to_bring_anything(large: BaseModel) -> None:
    download = make_running(large, bytes_done=1_000_000, bytes_total=4_000_000, bytes_per_second=20_000)
    assert download.text == "1 MB of 4 MB, 20 kB a second, about 2 minutes left"
    download.touched_at -= timedelta(seconds=40)
    assert download.text == "1 MB of 4 MB, nothing was heard of it for 40 seconds"
    assert (download.time_left, download.progress["eta_seconds"]) == (None, None)


# What goes wrong


def test_a_connection_that_breaks_off_is_waited_for(hub: Hub, large: BaseModel) -> None:
    hub.break_off_after = [0]
    assert ended(large) == ("waiting", "network")


def test_a_hub_that_is_not_there_is_waited_for(online: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    assert ended(make_hub_model()) == ("waiting", "network")


def test_a_hub_that_says_nothing_is_waited_for(hub: Hub, large: BaseModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "STALL", 0.2)
    hub.silence = 2
    assert ended(large) == ("waiting", "no-answer")


def test_a_hub_that_falls_silent_in_the_middle_is_asked_for_the_rest(
    hub: Hub, large: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "STALL", 0.7)
    hub.pause = 30
    begun = time.monotonic()
    assert fetched(large).state == "done"
    assert time.monotonic() - begun < 20
    ranges = [headers.get("Range") for file, headers in hub.calls if file == WEIGHTS]
    assert ranges[0] is None and ranges[1]


@pytest.mark.parametrize("part", ["/api/models/", WEIGHTS])
@pytest.mark.parametrize(
    ("status", "state", "code"),
    [
        (401, "failed", "gated"),
        (403, "failed", "gated"),
        (404, "failed", "not-found"),
        (418, "failed", "refused"),
        (429, "waiting", "busy"),
        (500, "waiting", "hub-down"),
        (503, "waiting", "hub-down"),
    ],
)
def test_each_answer_has_its_words(
    hub: Hub, large: BaseModel, monkeypatch: pytest.MonkeyPatch, part: str, status: int, state: str, code: str
) -> None:
    hub.refuse(part, status)
    assert ended(large) == (state, code)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({"Retry_After": "120"}, 120),
        ({"Retry_After": "0"}, BACKOFF[0]),
        ({"Retry_After": "soon"}, BACKOFF[0]),
        ({"Retry_After": "Fri, 31 Dec 9999 23:59:59 GMT"}, 3600),
        ({"RateLimit": '"resolvers";r=0;t=77'}, 77),
    ],
)
def test_a_hub_is_left_alone_for_as_long_as_it_asks(
    hub: Hub, large: BaseModel, header: dict[str, str], seconds: int
) -> None:
    hub.refuse(WEIGHTS, 429, **header)
    download = fetched(large)
    assert download.not_before
    assert seconds - 10 < (download.not_before - timezone.now()).total_seconds() <= seconds


def test_failures_in_a_row_wait_longer_each_time_and_end(hub: Hub, large: BaseModel) -> None:
    hub.refuse("/api/", 500)
    waits = []
    for tries in range(len(BACKOFF)):
        download = fetched(large, tries=tries)
        assert (download.state, download.tries) == ("waiting", tries + 1)
        assert download.not_before
        waits.append(round((download.not_before - timezone.now()).total_seconds()))
        download.delete()
    assert waits == sorted(waits)
    assert ended(large, tries=len(BACKOFF)) == ("failed", "hub-down")
    assert f"tried {len(BACKOFF) + 1} times in a row" in Download.objects.get().error["message"]


def test_a_download_that_has_brought_something_is_patient_again(hub: Hub, large: BaseModel) -> None:
    hub.break_off_after = [200_000, 0]
    download = fetched(large, tries=len(BACKOFF))
    assert (download.state, download.tries) == ("waiting", 1)


def test_wrong_bytes_are_thrown_away_and_fetched_once_more(hub: Hub, large: BaseModel) -> None:
    hub.spoilt[WEIGHTS] = 1
    assert fetched(large).state == "done"
    folder = cache_state(large).folder
    assert folder and (folder / WEIGHTS).read_bytes() == hub.repositories[NAME][WEIGHTS]


@pytest.mark.parametrize("file", [WEIGHTS, "config.json"])
def test_wrong_bytes_twice_are_said_and_not_kept(hub: Hub, large: BaseModel, file: str) -> None:
    hub.spoilt[file] = 2
    assert ended(large) == ("failed", "damaged")
    assert not cache_state(large).at_hand
    promised = hub_module._content_name(hub.repositories[NAME][file])
    assert not list(blobs().glob(f"{promised}*"))


def test_a_file_that_is_shorter_than_promised_is_damaged(
    hub: Hub, large: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = hub_module._sibling
    longer = {"lfs": {"sha256": 64 * "a", "size": 900_000, "pointerSize": 134}}
    monkeypatch.setattr(
        hub_module, "_sibling", lambda path, body: entry(path, body) | (longer if path == WEIGHTS else {})
    )
    assert ended(large) == ("failed", "damaged")


def test_a_hub_that_promises_no_digest_is_refused(
    hub: Hub, published: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "_sibling", lambda path, body: {"rfilename": path, "size": 1, "blobId": "../../x"})
    assert ended(published) == ("failed", "no-digest")


def test_a_model_that_the_hub_does_not_know_is_said(hub: Hub) -> None:
    assert ended(make_hub_model("acme/no-such-model")) == ("failed", "not-found")


@pytest.mark.parametrize("revision", ["no-such-branch", "../../etc", "/etc"])
def test_a_revision_that_the_hub_does_not_know_is_said(published: BaseModel, revision: str) -> None:
    assert ended(published, revision=revision) == ("failed", "no-revision")


def test_a_repository_without_safetensors_is_refused(hub: Hub) -> None:
    hub.repositories[NAME] = {"config.json": b"{}", "pytorch_model.bin": b"pickle"}
    assert ended(make_hub_model()) == ("failed", "unsafe")


def test_a_portal_that_is_offline_says_so() -> None:
    assert ended(make_hub_model()) == ("failed", "offline")


def test_an_error_of_ours_gets_a_reference(published: BaseModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_process, "link", None)
    assert ended(published) == ("failed", "unexpected")


# Tokens


def with_token(settings: Settings, token: str) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"hub_token": token})


def test_a_gated_model_without_a_token_says_where_to_put_it(hub: Hub, published: BaseModel) -> None:
    hub.gated.add(NAME)
    download = fetched(published)
    assert download.state == "failed"
    assert "HF_TOKEN" in download.error["message"]


def test_a_gated_model_is_fetched_with_the_token(hub: Hub, large: BaseModel, settings: Settings) -> None:
    hub.gated.add(NAME)
    hub.token = "secret"
    with_token(settings, "secret")
    assert fetched(large).state == "done"


def test_a_token_that_the_hub_does_not_take_is_said(hub: Hub, large: BaseModel, settings: Settings) -> None:
    with_token(settings, "stale")
    hub.refuse("/api/", 401)
    assert ended(large) == ("failed", "token")


def test_a_token_that_lies_in_somebodys_home_is_not_used(
    hub: Hub, published: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.gated.add(NAME)
    hub.token = "somebodys"
    (tmp_path / "token").write_text("somebodys")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    assert ended(published) == ("failed", "gated")


def test_the_token_stays_behind_when_the_hub_sends_us_to_another_host(
    hub: Hub, large: BaseModel, settings: Settings
) -> None:
    with_token(settings, "secret")
    hub.break_off_after = []
    lie_there(hub, 300_000)
    with running_elsewhere(hub) as other:
        assert fetched(large).state == "done"
    asked, followed = dict(hub.calls)[WEIGHTS], dict(other.calls)[WEIGHTS]
    assert asked["Authorization"] == "Bearer secret"
    assert "Authorization" not in followed
    assert followed["Range"] == "bytes=300000-"
    assert other.sent[WEIGHTS] == len(hub.repositories[NAME][WEIGHTS]) - 300_000


# The disk


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A disk of its own size: set `bytes`."""
    disk = SimpleNamespace(bytes=10**12)
    usage = lambda path: SimpleNamespace(free=disk.bytes)  # noqa: E731
    monkeypatch.setattr(download_process.shutil, "disk_usage", usage)
    monkeypatch.setattr(download_process, "SPARE", 1000)
    yield disk


def test_a_disk_without_room_is_waited_for_before_anything_is_fetched(
    hub: Hub, large: BaseModel, free: SimpleNamespace
) -> None:
    free.bytes = 500_000
    assert ended(large) == ("waiting", "disk")
    assert hub.calls == []


def test_what_other_downloads_will_take_counts(hub: Hub, large: BaseModel, free: SimpleNamespace) -> None:
    free.bytes = 1_000_000
    other = make_running(make_hub_model("acme/other"), bytes_reserved=600_000)
    download = fetched(large)
    assert (download.state, download.error["code"]) == ("waiting", "catalogue.disk")
    assert "other downloads will take 600.0 kB" in download.error["message"]
    download.delete()
    other.delete()
    assert fetched(large).state == "done"


def test_what_has_arrived_needs_no_room_again(hub: Hub, large: BaseModel, free: SimpleNamespace) -> None:
    lie_there(hub, 400_000)
    free.bytes = 300_000
    assert fetched(large).state == "done"


def test_a_disk_that_fills_meanwhile_is_said(hub: Hub, large: BaseModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, chunk: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(transfer._Growing, "_write", full)
    assert ended(large) == ("waiting", "disk")


# Deleting what has arrived


def test_what_belongs_to_no_snapshot_is_deleted_and_nothing_else(hub: Hub, large: BaseModel) -> None:
    fetched(large)
    (blobs() / (64 * "b")).write_bytes(bytes(10))
    (blobs() / f"{64 * 'c'}{PART}").write_bytes(bytes(20))
    (blobs() / f"{64 * 'd'}.1234.incomplete").write_bytes(bytes(30))  # the library's, for somebody else
    assert drop_partial(NAME) == 30
    assert cache_state(large).bytes_on_disk > 0
    assert sorted(file.name for file in blobs().glob(f"{64 * 'd'}*")) == [f"{64 * 'd'}.1234.incomplete"]
    assert cache_state(large).folder


def test_a_stopped_transfer_leaves_what_it_has(hub: Hub, large: BaseModel) -> None:
    hub.bytes_per_second = 400_000
    stop = threading.Event()
    plan = plan_of(large, "main")
    threading.Timer(0.5, stop.set).start()
    with pytest.raises(transfer.Interrupted):
        bring_all(plan, stop)
    assert 0 < plan.done < plan.total
