"""Accounts in the portal: asked for, made in the queue, remembered, shown on pages and in the API."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from datasets_app import accounting, seen_row
from datasets_app.models import Accounting, Dataset
from jobs import rehearsals
from jobs.review import Review
from jobs.rulebook import read
from jobs.warm.client import Unanswered
from jobs.warm.tasks import TASKS
from models_catalog.models import BaseModel
from tests.make import make_dataset, make_family, make_model, make_spec, make_user, write_model_files
from tests.rehearsals import make_document

from .small import assistant, user

ROWS = [
    {"messages": [user("What is two and two?"), assistant("It is four.")]},
    {"messages": [user("And <b>five</b>?"), assistant("The end. " * 40)]},
    {"messages": [user("the end " * 90), assistant("Yes")]},
]


@pytest.fixture
def owner(db: None) -> User:
    return make_user("ada")


@pytest.fixture
def person(owner: User, client: Client) -> Client:
    client.force_login(owner)
    return client


@pytest.fixture
def dataset(owner: User) -> Dataset:
    made = make_dataset(owner, row=ROWS[0], rows=len(ROWS))
    made.path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return made


@pytest.fixture
def model(db: None, chatml: Path) -> BaseModel:
    row = {"source": "local", "path": str(chatml), "family": make_family("Llama"), "supports_chat": True}
    return BaseModel.objects.create(name="house/tiny", **row)


def within(task: str, /, *, seconds: float, fresh: bool = False, memory: int = 0, **arguments: Any) -> Any:
    return json.loads(json.dumps(resolve_name(TASKS[task])(**arguments)))


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the helper process would do is done in this one, at once."""
    for module in (accounting, seen_row):
        monkeypatch.setattr(module, "ask", within)
    monkeypatch.setattr(accounting, "enqueue", accounting.run)


Ask = Callable[..., Any]


@pytest.fixture
def ask(person: Client, dataset: Dataset, model: BaseModel, django_capture_on_commit_callbacks: Any) -> Ask:
    """POSTs for an account and lets the queue work; then GETs it."""

    def asked(**parameters: Any) -> Any:
        query = {"model": model.name, "max_length": 60, **parameters}
        address = f"/api/v1/datasets/{dataset.pk}/accounting/"
        with django_capture_on_commit_callbacks(execute=True):
            begun = person.post(address, query_params=query)
        return person.get(address, query) if begun.status_code == 202 else begun

    return asked


def test_every_row_is_accounted_for(ask: Ask) -> None:
    answer = ask()
    assert answer.status_code == 200
    told = answer.json()
    assert (told["state"], told["rows"], told["rows_done"]) == ("done", 3, 3)
    summary = told["summary"]
    assert (summary["usable"], summary["cut"], summary["end_cut"], summary["dropped"]) == (2, 2, 2, 1)
    assert summary["answers"] == "prefixes"
    assert told["steps"] == 3


def test_the_same_question_is_answered_once(ask: Ask) -> None:
    assert ask().json() == ask(method="sft").json()
    assert Accounting.objects.count() == 1
    ask(max_length=80)
    assert Accounting.objects.count() == 2


def test_nobody_has_asked_yet(person: Client, dataset: Dataset, model: BaseModel) -> None:
    answer = person.get(f"/api/v1/datasets/{dataset.pk}/accounting/", {"model": model.name})
    assert answer.status_code == 404
    assert answer.json()["findings"][0]["code"] == "accounting.not-asked"


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"model": "no/such"}, "model"),
        ({"max_length": "many"}, "data.max_length"),
        ({"max_length": 2}, "data.max_length"),
        ({"method": "dpo"}, "method"),
        ({"assistant_only_loss": "perhaps"}, "data.assistant_only_loss"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_field(ask: Ask, parameters: dict[str, Any], field: str) -> None:
    answer = ask(**parameters)
    assert answer.status_code == 400
    assert [finding["field"] for finding in answer.json()["findings"]] == [field]
    assert Accounting.objects.count() == 0


def test_a_stranger_finds_nothing(client: Client, dataset: Dataset, model: BaseModel) -> None:
    client.force_login(make_user("stranger"))
    for address in (f"/api/v1/datasets/{dataset.pk}/accounting/", f"/datasets/{dataset.pk}/accounting/",
                    f"/datasets/{dataset.pk}/tokens/"):  # fmt: skip
        assert client.get(address, {"model": model.name}).status_code == 404


def test_one_that_broke_down_says_why_and_is_tried_again(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: Any, **__: Any) -> Any:
        raise Unanswered("memory")

    monkeypatch.setattr(accounting, "ask", breaks)
    told = ask().json()
    assert (told["state"], told["error"]["message"]) == ("failed", "It needed more memory than it is given.")
    monkeypatch.setattr(accounting, "ask", within)
    assert ask().json()["state"] == "done"


def test_the_table_goes_with_its_dataset(ask: Ask, dataset: Dataset, django_capture_on_commit_callbacks: Any) -> None:
    ask()
    path = Accounting.objects.get().path
    assert path.is_file()
    with django_capture_on_commit_callbacks(execute=True):
        dataset.delete()
    assert not path.exists()


def text(answer: Any) -> str:
    assert answer.status_code == 200, answer.content
    content: str = answer.content.decode()
    return content


def test_the_page_tells_what_is_lost_and_what_would_help(ask: Ask, person: Client, dataset: Dataset) -> None:
    ask()
    page = text(person.get(f"/datasets/{dataset.pk}/accounting/", {"model": "house/tiny", "max_length": 60}))
    assert "2 of 3" in page and "Answers only, because" in page
    assert "1 row: left out, because nothing to learn is left after the cut" in page
    assert f"/datasets/{dataset.pk}/tokens/?model=house%2Ftiny&amp;max_length=60&amp;row=3" in page
    assert "100 % of the rows" in page and "data.max_length=" in page


def test_the_page_asks_and_goes_to_the_answer(
    person: Client, dataset: Dataset, model: BaseModel, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = person.post(f"/datasets/{dataset.pk}/accounting/begin", {"model": model.name, "max_length": "60"})
    assert answer.status_code == 302
    assert "rows to learn from" in text(person.get(answer["Location"]))


def test_while_it_is_made_the_page_says_how_far_it_is(person: Client, dataset: Dataset, model: BaseModel) -> None:
    person.post(f"/datasets/{dataset.pk}/accounting/begin", {"model": model.name})
    page = text(person.get(f"/datasets/{dataset.pk}/accounting/", {"model": model.name}))
    assert "hx-trigger" in page and "Reading 3 rows" in page


def test_a_row_is_shown_token_by_token(ask: Ask, person: Client, dataset: Dataset) -> None:
    ask()
    asked = {"model": "house/tiny", "max_length": 60}
    page = text(person.get(f"/datasets/{dataset.pk}/tokens/", {**asked, "row": 2}))
    assert "The end of what is to be learnt is cut off." in page
    assert 'is-special" title=' in page and "is-learnt" in page and "is-cut" in page
    assert "<b>five</b>" not in page and "&lt;" in page
    assert "Row 3 of 3" in text(person.get(f"/datasets/{dataset.pk}/tokens/", {**asked, "row": 2, "jump": "cut"}))
    assert "Row 1 of 3" in text(person.get(f"/datasets/{dataset.pk}/tokens/", {**asked, "row": 2, "jump": "shortest"}))


@pytest.mark.parametrize("query", [{"row": "x"}, {"row": "99999999"}, {"row": "-1", "jump": "no"}, {"jump": "longest"}])
def test_no_address_breaks_the_page_of_a_row(
    person: Client, dataset: Dataset, model: BaseModel, query: dict[str, str]
) -> None:
    assert "Row" in text(person.get(f"/datasets/{dataset.pk}/tokens/", {"model": model.name, **query}))


def test_without_the_helper_process_a_row_says_so(
    person: Client, dataset: Dataset, model: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(*_: Any, **__: Any) -> Any:
        raise Unanswered("absent")

    monkeypatch.setattr(seen_row, "ask", absent)
    page = text(person.get(f"/datasets/{dataset.pk}/tokens/", {"model": model.name}))
    assert "The helper process that renders rows is not there just now." in page


def report_on(person: Client, dataset: Dataset, **data: Any) -> dict[str, Any]:
    """What a check says, by code, with the estimate."""
    spec = {
        "model": {"name": "house/tiny"},
        "data": {"dataset": str(dataset.pk), "strategy": "chat", "max_length": 60, **data},
        "training": {"method": "sft", "num_epochs": 1, "batch_size": 1},
    }
    told = person.post("/api/v1/jobs/check/", json.dumps(spec), content_type="application/json").json()
    return {finding["code"]: finding for finding in told["findings"]} | {"steps": told["estimate"]["steps"]}


def test_rules_read_the_account_of_the_very_settings(ask: Ask, person: Client, dataset: Dataset) -> None:
    assert not [code for code in report_on(person, dataset) if code.startswith("prepared.")]
    ask()
    told = report_on(person, dataset)
    assert "1 of 3 rows would be left out" in told["prepared.left-out"]["message"]
    assert "2 of 3 rows are longer than the 60 tokens" in told["prepared.cut"]["message"]
    lengths = [fix["changes"]["data.max_length"] for fix in told["prepared.cut"]["fixes"]]
    assert lengths and min(lengths) > 60
    assert told["steps"] == 2
    assert not [code for code in report_on(person, dataset, max_length=61) if code.startswith("prepared.")]


def test_where_every_row_fits_nothing_is_said(ask: Ask, person: Client, dataset: Dataset) -> None:
    ask(max_length=4096)
    assert not [code for code in report_on(person, dataset, max_length=4096) if code.startswith("prepared.")]


def test_the_page_of_a_new_job_leads_to_the_account_and_tells_it(ask: Ask, person: Client, dataset: Dataset) -> None:
    chosen = {"model.name": "house/tiny", "data.dataset": dataset.pk, "data.max_length": 60, "training.method": "sft"}
    link = f"/datasets/{dataset.pk}/accounting/?max_length=60&amp;method=sft&amp;model=house%2Ftiny"
    page = text(person.get("/jobs/new", chosen))
    assert "Count them all" in page and link in page
    ask()
    assert "Of 3 rows 2 are learnt from" in text(person.get("/jobs/new", chosen))


def test_an_account_that_no_worker_took_up_is_queued_again(ask: Ask, dataset: Dataset, model: BaseModel) -> None:
    plan = accounting.plan_of(dataset, {"data.max_length": 60})
    left = accounting.account_for(dataset, model, plan)
    assert left.state == "waiting"
    Accounting.objects.update(created_at=timezone.now() - 2 * accounting.LONGEST_WAIT)
    assert ask().json()["state"] == "done"


def test_old_accounts_and_what_a_killed_worker_left_are_forgotten(ask: Ask) -> None:
    ask()
    account = Accounting.objects.get()
    torn = account.path.parent / "account-torn"
    torn.mkdir()
    accounting.forget_old()
    assert torn.is_dir() and Accounting.objects.exists()
    os.utime(torn, (0, 0))
    Accounting.objects.update(created_at=timezone.now() - 2 * accounting.KEEP)
    accounting.forget_old()
    assert not torn.exists() and not Accounting.objects.exists()


# Before a job is queued

Rehearse = Callable[..., Review]


@pytest.fixture
def rehearse(
    owner: User,
    dataset: Dataset,
    chatml: Path,
    tmp_path: Path,
    nothing_was_rehearsed: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Rehearse:
    """The portal's own rehearsal, of which the helper process always says that it passed; it looks into no model."""
    monkeypatch.setattr(rehearsals, "look_into", lambda *_: None)
    monkeypatch.setattr(rehearsals, "count_at_once", accounting.count_at_once)
    monkeypatch.setattr(rehearsals, "ask", lambda *_, **__: make_document())
    write_model_files(tmp_path)
    shutil.copytree(chatml, tmp_path, dirs_exist_ok=True)
    model = make_model(path=str(tmp_path))

    def rehearsed(max_length: int) -> Review:
        changes = {"data.dataset": str(dataset.pk), "data.max_length": max_length, "model.name": model.name}
        return rehearsals.rehearse(read(make_spec(**changes)), owner)

    return rehearsed


def test_all_rows_are_counted_before_a_job_is_rehearsed(rehearse: Rehearse) -> None:
    asked = rehearse(60)
    assert (asked.facts["rows_accounted"], asked.facts["rows_usable"]) == (3, 2)
    assert {"prepared.cut", "prepared.left-out"} <= {finding.code for finding in asked.report.warnings}
    assert asked.rehearsal is not None


def test_a_job_none_of_whose_rows_is_left_is_stopped_before_it_is_rehearsed(rehearse: Rehearse) -> None:
    asked = rehearse(8)
    assert [finding.code for finding in asked.report.errors] == ["prepared.nothing-left"]
    assert asked.rehearsal is None


def test_rows_that_cannot_be_counted_stop_nobody(rehearse: Rehearse, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: Any, **__: Any) -> Any:
        raise Unanswered("memory")

    monkeypatch.setattr(accounting, "ask", breaks)
    asked = rehearse(60)
    assert asked.report.ok and asked.rehearsal is not None
    assert "rows_accounted" not in asked.facts


def test_a_large_dataset_is_counted_only_when_somebody_asks(
    rehearse: Rehearse, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounting, "AT_ONCE", 10)
    dataset.stats = {**dataset.stats, "length": {"average": 300, "shortest": 1, "longest": 900}}
    dataset.save()
    assert rehearse(60).rehearsal is not None
    assert not Accounting.objects.exists()
