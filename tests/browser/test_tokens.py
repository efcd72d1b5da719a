"""What becomes of the rows, and single rows as the model sees them, in a real browser."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from datasets_app import accounting, seen_row
from datasets_app.models import Dataset
from jobs.warm.tasks import TASKS
from tests.inspection.small_tokenizers import CHATML
from tests.make import make_dataset, make_model, write_model_files
from tests.preparation.small import assistant, make_merging_tokenizer, user

from .conftest import PHONE, OpenPage
from .pages import sideways, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
ROWS = [
    {"messages": [user("What is two and two?"), assistant("It is <b>four</b>.")]},
    {"messages": [user("And five?"), assistant("The end. " * 40)]},
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_merging_tokenizer(tmp_path_factory.mktemp("chatml"), CHATML)


@pytest.fixture
def dataset(owner: User, tokenizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Its rows are counted at once, by this process."""

    def within(task: str, /, *, seconds: float, fresh: bool = False, memory: int = 0, **arguments: Any) -> Any:
        return json.loads(json.dumps(resolve_name(TASKS[task])(**arguments)))

    for module in (accounting, seen_row):
        monkeypatch.setattr(module, "ask", within)
    monkeypatch.setattr(accounting, "enqueue", accounting.run)
    write_model_files(tmp_path)
    shutil.copytree(tokenizer, tmp_path, dirs_exist_ok=True)
    make_model(path=str(tmp_path))
    made = make_dataset(owner, row=ROWS[0], rows=len(ROWS))
    made.path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return made


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_from_the_count_of_all_rows_to_one_of_them(browse: OpenPage, owner: User, dataset: Dataset, theme: str) -> None:
    page = browse(owner, f"/datasets/{dataset.pk}/accounting/?model=house/tiny-chat&max_length=60", theme=theme)
    page.get_by_role("button", name="Count tokens").click()
    expect(page.locator("main")).to_contain_text("Answers only, because")
    expect(page.locator("main")).to_contain_text("1 row: the end of what is to be learnt is cut off")
    assert violations(page) == []
    page.get_by_role("link", name="row 2").first.click()
    expect(page.locator(".row-token.is-cut").first).to_be_visible()
    expect(page.locator(".row-token.is-learnt").first).to_be_visible()
    assert violations(page) == []


def test_a_row_fits_a_phone(browse: OpenPage, owner: User, dataset: Dataset) -> None:
    page = browse(owner, f"/datasets/{dataset.pk}/tokens/?model=house/tiny-chat&max_length=60&row=1", viewport=PHONE)
    expect(page.locator(".row-tokens")).to_contain_text("<b>four</b>")
    assert sideways(page) == 0
