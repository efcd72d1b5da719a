"""Looking into models that were not looked into: what is fetched, what is remembered, and what is not tried again."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_q.models import OrmQ
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from jobs.warm.client import Unanswered
from models_catalog import inspections, looks
from models_catalog.cache import cache_state
from models_catalog.catalogue import model_facts
from models_catalog.hub_files import repository_folder, tree
from models_catalog.inspections import inspection_at_hand
from models_catalog.looks import look, look_now_or_soon, standing, start_look
from models_catalog.models import BaseModel, Look
from models_catalog.services import register
from tests.make import make_client, make_model, make_user, write_model_files

from .fetching import fetched
from .folders import make_hub_model
from .hub import COMMIT, Hub
from .test_inspections import Looking, looking

pytestmark = pytest.mark.django_db


@pytest.fixture
def looker(monkeypatch: pytest.MonkeyPatch) -> Looking:
    return looking(monkeypatch)


@pytest.fixture
def published(hub: Hub, tmp_path: Path) -> BaseModel:
    write_model_files(tmp_path / "published")
    (tmp_path / "published" / "model.safetensors").write_bytes(bytes(9000))
    hub.publish(
        "acme/tiny-llama", tmp_path / "published", generation_config__json=b'{"top_k": 1}', README__md=b"read me"
    )
    return make_hub_model(size_bytes=77)


def looked(model: BaseModel, revision: str | None = None) -> Look:
    """The look at a model, once its task has run."""
    started = start_look(model, revision)
    assert started
    look(started.pk)
    return Look.objects.get(pk=started.pk)


def test_a_model_of_the_hub_is_looked_into_without_its_weights(hub: Hub, published: BaseModel, looker: Looking) -> None:
    assert looked(published).state == "done"
    assert inspection_at_hand(published)
    assert not [call for call in hub.served if "model.safetensors" in call or "README" in call]
    folder = Path(looker.asked[0]["folder"])
    assert {file.name for file in folder.iterdir()} == {
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_with_its_small_files_only_a_model_is_absent_with_exact_bytes(published: BaseModel, looker: Looking) -> None:
    looked(published)
    published.refresh_from_db()
    state = cache_state(published)
    assert (state.state, state.at_hand, state.bytes_to_fetch) == ("absent", False, 9000)
    assert published.size_bytes == 9000 + state.bytes_on_disk
    facts = model_facts(published.name)
    assert (facts["hidden_size"], facts["parameters"], facts["unsafe_weights"]) == (8, 1, False)
    assert (facts["untrainable"], facts["weights_format"]) == ("", "safetensors")


def test_names_sizes_and_hashes_of_all_files_are_kept_with_the_commit(published: BaseModel, looker: Looking) -> None:
    looked(published)
    files = tree(repository_folder(inspections_cache(), published.name), COMMIT)
    assert files
    assert files["model.safetensors"].size == 9000
    assert all(len(file.content) == 40 for file in files.values())
    assert "README.md" in files


def inspections_cache() -> Path:
    from django.conf import settings

    return Path(settings.HUB_CACHE_DIR)


def test_the_download_afterwards_fetches_the_rest(hub: Hub, published: BaseModel, looker: Looking) -> None:
    looked(published)
    hub.served.clear()
    fetched(published)
    assert cache_state(published).state == "cached"
    assert not [call for call in hub.served if call.startswith("GET") and "tokenizer" in call]


def test_a_model_of_pickles_is_known_as_such_before_anything_is_fetched(hub: Hub, looker: Looking) -> None:
    hub.repositories["acme/pickled"] = {"config.json": b'{"model_type": "llama"}', "pytorch_model.bin": bytes(100)}
    model = make_hub_model("acme/pickled")
    looked(model)
    assert (model_facts(model.name)["unsafe_weights"], model_facts(model.name)["weights_format"]) == (True, "pickle")


def test_files_beyond_the_limit_stay_away(hub: Hub, published: BaseModel, looker: Looking, monkeypatch) -> None:
    monkeypatch.setattr(looks, "LARGEST_FILE", 20_000)
    hub.repositories[published.name]["tokenizer.json"] = bytes(30_000)
    assert looked(published).state == "done"
    assert not [call for call in hub.served if call.endswith("tokenizer.json")]


@pytest.mark.parametrize(
    ("name", "revision", "code"),
    [
        ("acme/no-such-model", None, "catalogue.not-found"),
        ("acme/tiny-llama", "no-such-branch", "catalogue.no-revision"),
        ("acme/locked", None, "catalogue.gated"),
        ("acme/bare", None, "catalogue.no-config"),
    ],
)
def test_what_the_hub_refuses_is_remembered_and_blocks(
    hub: Hub, published: BaseModel, looker: Looking, name: str, revision: str | None, code: str
) -> None:
    hub.repositories["acme/locked"] = hub.repositories["acme/tiny-llama"]
    hub.gated.add("acme/locked")
    hub.repositories["acme/bare"] = {"README.md": b""}
    model = published if name == published.name else make_hub_model(name)
    failed = looked(model, revision)
    assert (failed.state, failed.error["code"]) == ("failed", code)
    facts = model_facts(name, revision)
    assert facts["unfetchable"] == failed.error["message"]
    assert facts["uninspected"] == ""
    assert standing(model, revision).reason == failed.error["message"]


def test_a_hub_that_is_down_is_not_asked_again_and_again(
    online: None, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    model = make_hub_model()
    failed = looked(model)
    assert failed.error["code"] == "catalogue.network"
    assert (model_facts(model.name)["unfetchable"], bool(model_facts(model.name)["uninspected"])) == ("", True)
    with django_capture_on_commit_callbacks(execute=True) as started:
        start_look(model)
        look_now_or_soon(model)
        standing(model)
        model_facts(model.name, look=True)
    assert started == []
    Look.objects.update(touched_at=timezone.now() - looks.AGAIN_AFTER - timedelta(seconds=1))
    with django_capture_on_commit_callbacks(execute=True):
        start_look(model)
        start_look(model)
    assert OrmQ.objects.count() == 1


def test_somebody_may_ask_for_another_try(online: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    model = make_hub_model()
    looked(model)
    again = start_look(model, again=True)
    assert again
    again.refresh_from_db()
    assert (again.state, again.error) == ("queued", None)


def test_one_look_at_a_time(online: None, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> None:
    model = make_hub_model()
    with django_capture_on_commit_callbacks(execute=True):
        assert start_look(model) == start_look(model) == start_look(model, again=True)
    assert OrmQ.objects.count() == 1
    assert standing(model).state == "under way"


def test_a_look_whose_worker_died_is_started_again(
    online: None, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    model = make_hub_model()
    start_look(model)
    Look.objects.update(state="running", touched_at=timezone.now() - looks.SILENT - timedelta(seconds=1))
    with django_capture_on_commit_callbacks(execute=True):
        start_look(model)
    assert OrmQ.objects.count() == 1


def test_a_second_delivery_does_nothing(published: BaseModel, looker: Looking) -> None:
    done = looked(published)
    look(done.pk)
    assert len(looker.asked) == 1


def test_offline_nothing_is_tried_and_that_is_said() -> None:
    model = make_hub_model()
    assert start_look(model) is None
    assert standing(model).state == "impossible"
    assert "this portal is offline" in standing(model).reason
    assert model_facts(model.name)["uninspected"] == ""  # the machine's fact `offline` says it


def test_files_that_break_the_look_are_not_looked_into_again(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model()
    looking(monkeypatch, *4 * ["crashed"])
    monkeypatch.setattr(inspections, "_look", broken_look)
    failed = looked(model)
    assert (failed.error["code"], failed.key) == ("catalogue.not-inspected", inspections.key_of(Path(model.path)))
    assert start_look(model) == failed
    assert Look.objects.get().state == "failed"
    assert "only its family is known" in model_facts(model.name)["uninspected"]
    (Path(model.path) / "generation_config.json").write_text("{}")
    start_look(model)
    assert Look.objects.get().state == "queued"


def broken_look(*asked: object) -> None:
    raise Unanswered("crashed")


# Within a check


def test_a_check_looks_at_once_where_files_and_a_warm_process_are_here(
    looker: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "is_warm", lambda: True)
    assert model_facts(make_model().name, look=True)["parameters"] == 1
    assert looker.asked[0]["seconds"] == looks.WITHIN_A_CHECK
    assert not Look.objects.exists()


def test_a_check_waits_for_a_slow_look_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "is_warm", lambda: True)
    looker = looking(monkeypatch, *9 * ["timeout"])
    model = make_model()
    for _ in range(3):
        assert model_facts(model.name, look=True)["uninspected"] == ""
    assert len(looker.asked) == 1
    assert Look.objects.get().state == "queued"


def test_a_check_without_a_warm_process_leaves_the_look_to_a_task(looker: Looking) -> None:
    model_facts(make_model().name, look=True)
    assert looker.asked == []
    assert Look.objects.get().state == "queued"


# Who starts it


def test_a_model_that_staff_adds_is_looked_into(online: None) -> None:
    added = register(name="acme/new", source="hub")
    assert Look.objects.get().model == added


def test_a_downloaded_model_is_looked_into(published: BaseModel) -> None:
    fetched(published)
    assert Look.objects.get().state == "queued"


def test_the_api_starts_it_and_hands_it_out(published: BaseModel, looker: Looking) -> None:
    client, address = make_client(make_user()), f"/api/v1/models/{published.pk}/inspection/"
    assert client.get(address).json()["state"] == "under way"
    look(Look.objects.get().pk)
    answer = client.get(address).json()
    assert (answer["state"], answer["commit"], answer["facts"]) == ("at hand", COMMIT, {"parameters": 1})
    assert {file["name"]: file["size"] for file in answer["files"]}["model.safetensors"] == 9000
    assert client.get(f"/api/v1/models/{published.pk}/").json()["parameters"] == 1


def test_the_api_says_why_it_is_impossible() -> None:
    answer = make_client(make_user()).get(f"/api/v1/models/{make_hub_model().pk}/inspection/").json()
    assert (answer["state"], answer["facts"]) == ("impossible", {})
    assert "offline" in answer["reason"]


def test_a_stranger_without_an_account_is_not_told() -> None:
    assert make_client().get(f"/api/v1/models/{make_model().pk}/inspection/").status_code == 401


def test_the_command_prints_the_document(looker: Looking) -> None:
    printed = StringIO()
    call_command("inspect_model", make_model().name, stdout=printed)
    assert json.loads(printed.getvalue())["facts"] == {"parameters": 1}


@pytest.mark.parametrize(("name", "words"), [("acme/tiny-llama", "offline"), ("gpt-22", "Near it: .*gpt2")])
def test_the_command_says_why_it_cannot(name: str, words: str, settings: Settings) -> None:
    make_hub_model()
    with pytest.raises(CommandError, match=words):
        call_command("inspect_model", name)
