"""The models pages, for everybody and for staff."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from models_catalog.models import BaseModel, Download
from tests.make import make_job, make_model, make_user, write_model_files

from .folders import edit_json, make_hub_model

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def client(client: Client) -> Client:
    client.force_login(make_user())
    return client


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(make_user("admin", is_staff=True, is_superuser=True))
    return client


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_list_shows_every_model_with_its_state(client: Client) -> None:
    make_model()
    page = text(client, "/models/")
    assert page.count('<th scope="row">') == BaseModel.objects.count()
    assert "✓ cached" in page
    assert "⬇ 548.1 MB to download" in page
    assert "1.56 B" in page


@pytest.mark.parametrize(
    ("asked", "shown", "hidden"),
    [
        ("q=gpt2+XL", "gpt2-xl", "gpt2-medium"),
        ("family=OPT", "facebook/opt-125m", "openai-community/gpt2"),
        ("chat=yes", "Qwen/Qwen3-0.6B", "microsoft/phi-2"),
        ("chat=no", "microsoft/phi-2", "Qwen/Qwen3-0.6B"),
        ("cache=cached", "house/tiny-chat", "microsoft/phi-2"),
        ("cache=absent", "microsoft/phi-2", "house/tiny-chat"),
        ("chat=nonsense&family=nonsense", "microsoft/phi-2", "No model fits"),
    ],
)
def test_the_list_is_narrowed(client: Client, asked: str, shown: str, hidden: str) -> None:
    make_model()
    page = text(client, f"/models/?{asked}")
    assert f"{shown}</a>" in page
    assert f"{hidden}</a>" not in page


def test_a_search_without_result_says_so(client: Client) -> None:
    assert "No model fits" in text(client, "/models/?q=<script>")


def test_a_model_is_shown_with_its_targets(client: Client) -> None:
    page = text(client, BaseModel.objects.get(name="openai-community/gpt2").get_absolute_url())
    assert '<label for="tick-c_attn">c_attn</label>' in page
    assert "1,024 tokens" in page
    assert "Edit in admin" not in page


def test_disagreements_are_shown_escaped(client: Client) -> None:
    model = make_model()
    edit_json(Path(model.path) / "config.json", model_type="<b>odd</b>")
    page = text(client, model.get_absolute_url())
    assert "says &lt;b&gt;odd&lt;/b&gt;" in page


def test_only_staff_see_where_a_local_model_lies(client: Client, staff: Client) -> None:
    model = make_model()
    assert model.path not in text(client, model.get_absolute_url())
    assert model.path in text(staff, model.get_absolute_url())


def test_staff_see_the_way_to_the_admin(staff: Client) -> None:
    model = make_model()
    assert f"/admin/models_catalog/basemodel/{model.pk}/change/" in text(staff, model.get_absolute_url())


def test_a_download_is_started_without_scripts(client: Client, online: None) -> None:
    model = make_hub_model()
    answer = client.post(f"/models/{model.pk}/download", follow=True)
    assert answer.redirect_chain == [(model.get_absolute_url(), 302)]
    assert "Waiting to begin" in answer.content.decode()


def test_a_download_that_cannot_work_says_why(client: Client) -> None:
    model = make_hub_model()
    for headers in ({}, HTMX):
        answer = client.post(f"/models/{model.pk}/download", follow=True, headers=headers)
        assert "this portal is offline" in answer.content.decode()


def test_progress_is_asked_for_until_it_ends(client: Client) -> None:
    model = make_hub_model()
    Download.objects.create(model=model, state="running", bytes_done=412_000_000, bytes_total=2_900_000_000)
    running = client.get(model.get_absolute_url(), headers=HTMX).content.decode()
    assert "412 MB of 2.9 GB" in running
    assert 'hx-trigger="every 1s"' in running
    Download.objects.update(state="failed", error={"message": "The disk is full."})
    failed = client.get(model.get_absolute_url(), headers=HTMX).content.decode()
    assert "The disk is full." in failed
    assert "hx-trigger" not in failed


@pytest.fixture
def owned(client: Client) -> Download:
    """A download that the person at the browser asked for."""
    asked_by = User.objects.get(username="owner")
    waits = {"state": "waiting", "not_before": timezone.now() + timedelta(minutes=5), "error": {"message": "Too busy."}}
    return Download.objects.create(model=make_hub_model(), asked_by=asked_by, bytes_done=1, bytes_total=9, **waits)


def test_what_a_download_waits_for_is_said_with_what_can_be_done(client: Client, owned: Download) -> None:
    for address in (owned.model.get_absolute_url(), "/models/downloads/"):
        page = text(client, address)
        assert "goes on in 5 minutes" in page or "goes on in 4 minutes" in page
        assert "Too busy." in page
        assert "Try now" in page
        assert "Cancel and delete it" in page


@pytest.mark.parametrize("revision", ["", "v2"])
def test_a_download_that_waits_is_tried_when_asked_for_again(
    client: Client, owned: Download, online: None, revision: str
) -> None:
    Download.objects.update(revision=revision)
    assert f'name="revision" value="{revision}"' in text(client, "/models/downloads/")
    client.post(f"/models/{owned.model.pk}/download", {"revision": revision})
    owned = Download.objects.get()
    assert owned.not_before and owned.not_before <= timezone.now()


@pytest.mark.parametrize(("asked", "drop"), [({}, False), ({"drop": "1"}, True)])
def test_a_download_is_cancelled_without_scripts(
    client: Client, owned: Download, asked: dict[str, str], drop: bool
) -> None:
    answer = client.post(f"/models/downloads/{owned.pk}/cancel", asked, follow=True)
    assert answer.redirect_chain == [(owned.model.get_absolute_url(), 302)]
    owned.refresh_from_db()
    assert (owned.state, owned.drop_partial) == ("cancelled", drop)
    said = "is being deleted" if drop else "another goes on from there"
    assert said in answer.content.decode()


def test_what_a_cancelled_download_has_left_can_be_deleted_later(client: Client, owned: Download) -> None:
    Download.objects.update(state="cancelled")
    assert "Delete what has arrived" in text(client, owned.model.get_absolute_url())
    client.post(f"/models/downloads/{owned.pk}/cancel", {"drop": "1"})
    assert Download.objects.get().drop_partial


def test_from_the_list_one_comes_back_to_the_list(client: Client, owned: Download) -> None:
    answer = client.post(f"/models/downloads/{owned.pk}/cancel", {"from": "downloads"})
    assert answer.headers["Location"] == "/models/downloads/"


def test_somebody_else_sees_a_download_and_cannot_end_it(owned: Download) -> None:
    stranger = Client()
    stranger.force_login(make_user("stranger"))
    page = text(stranger, owned.model.get_absolute_url())
    assert "Too busy." in page
    assert "Cancel and delete it" not in page
    answer = stranger.post(f"/models/downloads/{owned.pk}/cancel", {"drop": "1"}, follow=True)
    assert "so can staff" in answer.content.decode()
    owned.refresh_from_db()
    assert (owned.state, owned.drop_partial) == ("waiting", False)


def test_staff_may_end_anybodys_download(staff: Client, owned: Download) -> None:
    staff.post(f"/models/downloads/{owned.pk}/cancel")
    assert Download.objects.get().state == "cancelled"


def test_all_downloads_are_shown_until_the_last_has_ended(client: Client, owned: Download) -> None:
    assert "1 download under way" in text(client, "/models/")
    assert "⬇ 11 % here" in text(client, "/models/?q=acme")
    assert 'hx-trigger="every 2s"' in client.get("/models/downloads/", headers=HTMX).content.decode()
    Download.objects.update(state="failed", error={"message": "<b>No</b> room."}, finished_at=timezone.now())
    ended = client.get("/models/downloads/", headers=HTMX).content.decode()
    assert "hx-trigger" not in ended
    assert "&lt;b&gt;No&lt;/b&gt; room." in ended


def test_a_download_that_jobs_wait_for_says_so(client: Client, owned: Download) -> None:
    make_job(base_model=owned.model)
    assert "1 job waits for it" in text(client, owned.model.get_absolute_url())


def test_when_a_model_has_arrived_the_page_shows_it_anew(client: Client) -> None:
    answer = client.get(make_model().get_absolute_url(), headers=HTMX)
    assert answer.headers["HX-Refresh"] == "true"


def test_only_staff_see_the_form_for_folders(client: Client, staff: Client) -> None:
    assert 'action="/models/register"' not in text(client, "/models/")
    assert 'action="/models/register"' in text(staff, "/models/")


def test_staff_register_a_folder(staff: Client, local_root: Path) -> None:
    write_model_files(local_root / "ours")
    form = {"name": "house/ours", "path": str(local_root / "ours"), "family": "Mistral"}
    answer = staff.post("/models/register", form, follow=True)
    assert answer.redirect_chain[0][0] == BaseModel.objects.get(name="house/ours").get_absolute_url()
    assert "house/ours is registered." in answer.content.decode()


def test_a_folder_that_is_refused_keeps_what_was_typed(staff: Client) -> None:
    answer = staff.post("/models/register", {"name": "house/ours", "path": "/etc"})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "does not lie under a folder" in page
    assert 'value="/etc"' in page


def test_other_people_register_no_folder(client: Client, local_root: Path) -> None:
    write_model_files(local_root / "ours")
    answer = client.post("/models/register", {"name": "house/ours", "path": str(local_root / "ours")})
    assert answer.status_code == 403
    assert not BaseModel.objects.filter(name="house/ours").exists()


@pytest.mark.parametrize("address", ["/models/", "/models/1/"])
def test_nobody_sees_models_without_an_account(address: str) -> None:
    answer = Client().get(address)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/login/")


def test_a_model_that_is_none_is_not_found(client: Client) -> None:
    assert client.get("/models/999999/").status_code == 404
    assert client.post("/models/999999/download").status_code == 404
