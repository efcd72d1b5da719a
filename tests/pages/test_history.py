"""Finding jobs again, and the front page."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.test import Client
from pytest import MonkeyPatch

from tests.make import make_dataset, make_job, make_model, make_spec, make_user

from .conftest import browse


def names(answer: object) -> list[str]:
    return [row.record.name for row in answer.context["table"].paginated_rows]  # type: ignore[attr-defined]


def test_somebody_new_is_told_what_to_do_first(person: Client) -> None:
    assert b"Upload a dataset" in person.get("/jobs/").content
    assert b"in three steps" in person.get("/").content


def test_one_sees_ones_own_jobs_newest_first(person: Client, owner: User) -> None:
    make_job(owner, name="first")
    make_job(owner, name="second")
    make_job(make_user("stranger"), name="theirs")
    answer = person.get("/jobs/")
    assert names(answer) == ["second", "first"]
    assert b"Owner" not in answer.content


def test_staff_see_all_jobs_with_their_owners(owner: User) -> None:
    make_job(owner, name="first")
    answer = browse(make_user("admin", is_staff=True)).get("/jobs/")
    assert names(answer) == ["first"]
    assert b"Owner" in answer.content


def test_jobs_are_filtered_and_searched(person: Client, owner: User) -> None:
    make_job(owner, name="pirate", state="failed")
    make_job(owner, name="poet", spec=make_spec(**{"name": "poet", "training.method": "dpo"}))
    assert names(person.get("/jobs/?state=failed")) == ["pirate"]
    assert names(person.get("/jobs/?method=dpo")) == ["poet"]
    assert names(person.get("/jobs/?search=PIR")) == ["pirate"]
    assert b"Nothing matches" in person.get("/jobs/?search=nobody").content


def test_jobs_are_ordered_and_paged(person: Client, owner: User) -> None:
    for number in range(21):
        make_job(owner, name=f"job {number:02}")
    assert names(person.get("/jobs/?sort=name"))[0] == "job 00"
    assert names(person.get("/jobs/?sort=name&page=2")) == ["job 20"]


def test_every_column_can_be_ordered_by_without_an_error(person: Client, owner: User) -> None:
    make_job(owner)
    for column in ("name", "state", "model", "method", "dataset", "created_at", "nonsense"):
        assert person.get(f"/jobs/?sort={column}").status_code == 200


def test_a_list_beyond_counting_says_so_and_is_sorted_where_an_index_does(
    person: Client, owner: User, monkeypatch: MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.filters.MOST_COUNTED", 3)
    for number in range(5):
        make_job(owner, name=f"job {number}")
    answer = person.get("/jobs/?per_page=2")
    assert "More than 3 jobs" in answer.content.decode()
    assert answer.context["table"].paginator.num_pages == 2
    assert b"?per_page=2&amp;sort=name" in answer.content and b"sort=dataset" not in answer.content
    assert names(person.get("/jobs/?sort=dataset"))[0] == "job 4", "as if it had not been asked for"
    assert b"sort=dataset" in person.get("/jobs/?search=job+3").content


def test_jobs_are_found_by_their_dataset_and_model_though_both_may_be_gone(person: Client, owner: User) -> None:
    make_job(owner, name="of a dataset", dataset=make_dataset(owner, name="pirates"))
    make_job(owner, name="of a model", base_model=make_model("house/corsair"))
    make_job(owner, name="left", spec=make_spec(**{"model.name": "house/buccaneer"}))
    make_job(make_user("stranger"), name="buccaneer")
    assert names(person.get("/jobs/?search=pirates")) == ["of a dataset"]
    assert names(person.get("/jobs/?search=CORSAIR")) == ["of a model"]
    assert names(person.get("/jobs/?search=buccaneer")) == ["left"]


def test_only_models_of_jobs_one_sees_are_offered(person: Client, owner: User) -> None:
    mine, theirs = make_model("house/mine"), make_model("house/theirs")
    make_job(owner, base_model=mine)
    make_job(make_user("stranger"), base_model=theirs)
    page = person.get("/jobs/").content
    assert b"house/mine" in page and b"house/theirs" not in page


def test_htmx_gets_the_table_alone(person: Client, owner: User) -> None:
    make_job(owner)
    content = person.get("/jobs/", headers={"HX-Request": "true"}).content
    assert b"<table" in content and b"<html" not in content


def test_the_front_page_shows_what_goes_on(person: Client, owner: User) -> None:
    make_job(owner, name="in work", state="running", step=3, total_steps=9)
    content = person.get("/").content
    assert b"in work" in content and b"Step 3 of 9" in content


def test_nobody_sees_a_page_without_logging_in(db: None) -> None:
    for address in ("/", "/jobs/", "/jobs/new", "/jobs/1/"):
        assert Client().get(address).headers["Location"].startswith("/login/")


def test_an_address_that_is_none_is_said_kindly(person: Client) -> None:
    answer = person.get("/jobs/999/")
    assert answer.status_code == 404
    assert b"Nothing here" in answer.content
