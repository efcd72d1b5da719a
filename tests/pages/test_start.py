"""From the summary to a queued job."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.test import Client

from jobs.models import Job
from tests.make import make_job, make_user

from .conftest import browse


def test_a_good_form_becomes_a_job_and_leads_to_its_page(person: Client, good: dict[str, str]) -> None:
    answer = person.post("/jobs/new", good)
    job = Job.objects.get()
    assert answer.headers["Location"] == f"/jobs/{job.pk}/"
    assert job.confirmed_by is None


def test_htmx_is_led_there_as_well(person: Client, good: dict[str, str]) -> None:
    answer = person.post("/jobs/new", good, headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == f"/jobs/{Job.objects.get().pk}/"


def test_the_summary_carries_every_value_and_stores_nothing(person: Client, good: dict[str, str]) -> None:
    answer = person.post("/jobs/summary", good | {"name": "my run"})
    assert b'name="name" value="my run"' in answer.content
    assert b"Start training" in answer.content
    assert not Job.objects.exists()


def test_errors_leave_no_button_to_start(person: Client, good: dict[str, str]) -> None:
    answer = person.post("/jobs/summary", good | {"training.batch_size": "0"})
    assert b"Start training" not in answer.content


def test_errors_cannot_be_confirmed_away(person: Client, good: dict[str, str]) -> None:
    answer = person.post("/jobs/new", good | {"training.batch_size": "0", "confirmed": "yes"})
    assert answer.status_code == 422
    assert not Job.objects.exists()


def test_a_warning_wants_its_tick(person: Client, good: dict[str, str]) -> None:
    answer = person.post("/jobs/new", good | {"training.num_epochs": "50"})
    assert answer.status_code == 422
    assert b"Nothing has started yet: tick that you have read the warnings" in answer.content
    assert b'name="confirmed"' in answer.content
    assert not Job.objects.exists()


def test_who_confirmed_the_warnings_is_stored_and_shown(person: Client, owner: User, good: dict[str, str]) -> None:
    person.post("/jobs/new", good | {"training.num_epochs": "50", "confirmed": "yes"})
    job = Job.objects.get()
    assert job.confirmed_by == owner
    assert b"accepted by owner" in person.get(f"/jobs/{job.pk}/").content


def test_what_is_missing_is_said_on_submit(person: Client) -> None:
    content = person.post("/jobs/new", {}).content.decode()
    for name in ("model.name is required", "data.dataset is required", "training.method is required"):
        assert name in content


def test_a_new_job_starts_from_the_choices_of_another(person: Client, good: dict[str, str]) -> None:
    person.post("/jobs/new", good | {"lora.r": "24", "lora.alpha": "48"})
    form = person.get(f"/jobs/new?from={Job.objects.get().pk}").context["form"]
    assert form.typed["lora.r"] == "24"
    assert form.typed["model.name"] == "house/tiny-chat"


def test_a_cure_in_the_address_stands_in_the_form(person: Client, good: dict[str, str]) -> None:
    person.post("/jobs/new", good)
    form = person.get(f"/jobs/new?from={Job.objects.get().pk}&training.batch_size=2").context["form"]
    assert form.typed["training.batch_size"] == "2"


def test_another_persons_job_is_no_starting_point(person: Client) -> None:
    job = make_job(make_user("stranger"))
    assert person.get(f"/jobs/new?from={job.pk}").status_code == 404


def test_staff_may_start_from_anybodys_job(owner: User) -> None:
    job = make_job(owner)
    assert browse(make_user("admin", is_staff=True)).get(f"/jobs/new?from={job.pk}").status_code == 200


def test_a_dataset_named_in_the_address_is_chosen_with_what_follows(person: Client, good: dict[str, str]) -> None:
    form = person.get("/jobs/new", {"data.dataset": good["data.dataset"]}).context["form"]
    assert form.typed["training.method"] == "sft"
    assert form.typed["data.strategy"] == "chat"
