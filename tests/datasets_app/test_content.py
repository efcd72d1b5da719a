"""What stands in texts and should not is found, with counts and examples; what is in order is left in peace."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from datasets_app import survey as survey_module
from datasets_app.content import Advice, Contents, script_of
from datasets_app.facts import dataset_facts
from datasets_app.models import Dataset
from datasets_app.near_duplicates import NearDuplicates
from datasets_app.services import create_dataset, delete_dataset
from datasets_app.side_files import SURVEY
from datasets_app.survey import survey_of
from tests.make import make_client, make_user


def chat(question: str, answer: str, *before: dict[str, str]) -> dict[str, Any]:
    asked, answered = {"role": "user", "content": question}, {"role": "assistant", "content": answer}
    return {"messages": [*before, asked, answered]}


SUBJECTS = ("beams", "fog horns", "ferries", "keepers", "storms", "charts", "gulls", "tides", "lamps", "reefs")


def clean(number: int) -> dict[str, Any]:
    """Rows that have little in common."""
    subject, other = SUBJECTS[number % 10], SUBJECTS[(number // 10) % 10]
    return chat(
        f"What about {subject} and {other}, number {number}?", f"{number * 37} of {other} {'and so on ' * (number % 7)}"
    )


def advice(*rows: dict[str, Any], **counted: int) -> dict[str, Advice]:
    contents = Contents()
    for line, row in enumerate(rows, 1):
        contents.add(line, row)
    return {each.code: each for each in contents.advice(**counted)}


@pytest.mark.parametrize(
    ("code", "row"),
    [
        ("placeholders", chat("Dear {{ first_name }}", "Yes.")),
        ("placeholders", {"text": "Call me at [INSERT PHONE NUMBER] soon."}),
        ("special-tokens", {"prompt": "[INST] Hi [/INST]", "completion": "Ahoy"}),
        ("special-tokens", {"text": "<|im_start|>user"}),
        ("end-of-turn", chat("Hi", "Ahoy<|im_end|>")),
        ("end-of-turn", {"text": "one</s>two"}),
        ("refusals", chat("Hi", "I'm sorry, but I can't help with that.")),
        ("refusals", chat("Hi", "As an AI language model, I have no lighthouse.")),
        ("control-characters", {"text": "a\x00b"}),
        ("broken-letters", {"text": "MÃ¼nchen"}),
        ("answer-repeats-prompt", chat("How long is the beam of it?", "How long is the beam of it? Ten miles.")),
        ("no-user", {"messages": [{"role": "assistant", "content": "Ahoy"}]}),
    ],
)
def test_a_single_row_is_told_with_its_line(code: str, row: dict[str, Any]) -> None:
    found = advice(clean(1), row)
    assert list(found) == [code]
    assert (found[code].rows, found[code].examples[0][0]) == (1, 2)


@pytest.mark.parametrize(
    "text",
    [
        "A set {1, 2}, a dict {{'a': 1}}, x[0], [see below], [1] and [YOUNG].",
        "if a < b and c > d: print('</span>')",
        "I'm sorry to hear that. I cannot recommend it enough: as an aid it helps.",
        "Zürich, “quotes” – naïve café\n\ttabbed\r\n",
    ],
)
def test_what_only_looks_similar_is_left_in_peace(text: str) -> None:
    assert advice({"text": text}, chat("Hi", text)) == {}


def test_hundreds_of_clean_rows_get_no_advice() -> None:
    assert advice(*map(clean, range(300))) == {}


def test_only_the_first_examples_are_kept_and_long_texts_are_cut() -> None:
    found = advice(*[{"text": f"{'x' * 500} {{{{name}}}} {'y' * 500}"}] * 9)["placeholders"]
    assert (found.rows, [line for line, _ in found.examples]) == (9, [1, 2, 3])
    assert len(found.examples[0][1]) < 200


def test_one_answer_again_and_again() -> None:
    found = advice(*[chat(f"Is it {number}?", "No.") for number in range(30)], *map(clean, range(60)))
    assert found["one-answer"].rows == 30
    assert found["one-answer"].message.startswith("“No.” is 33% of all answers")


def test_answers_that_were_cut_off_at_one_length() -> None:
    rows = [chat(f"Tell of {number}", str(number).ljust(300, "z")) for number in range(25)]
    assert advice(*rows, *map(clean, range(100)))["equal-lengths"].rows == 25


def test_rows_that_are_counted_elsewhere_are_told() -> None:
    found = advice(*map(clean, range(30)), repeated=12, most_repeated=9)["duplicates"]
    assert (found.rows, "one of them 9 times" in found.message) == (12, True)


def test_some_rows_have_a_system_prompt() -> None:
    with_one = [
        chat(f"Say {number}", f"I say {number * 3}", {"role": "system", "content": "Be kind"}) for number in range(30)
    ]
    assert advice(*with_one, *map(clean, range(70)))["some-system"].rows == 30
    assert "some-system" not in advice(*with_one)


def test_few_rows_in_another_script() -> None:
    russian = chat("Как дела, смотритель?", "Спасибо, всё хорошо, маяк горит.")
    found = advice(*map(clean, range(60)), russian)
    assert list(found) == ["other-script"]
    assert found["other-script"].examples[0][0] == 61
    assert "Cyrillic" in found["other-script"].message


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("plain words of English", "Latin"), ("灯台はどこにありますか、教えてください", "Japanese"),
        ("灯塔在哪里请告诉我谢谢你们", "Chinese"),
        ("등대는 어디에 있습니까 알려주세요", "Korean"), ("1 + 1 = 2", ""), ("→ → →", ""),
    ],
)  # fmt: skip
def test_scripts_are_told_apart(text: str, script: str) -> None:
    assert script_of(text) == script


def test_rows_that_differ_in_a_word_are_nearly_the_same() -> None:
    long = " ".join(f"word{number}" for number in range(60))
    alike = NearDuplicates()
    for number in range(20):
        alike.add(number, f"{long} and then {number}")
        alike.add(100 + number, " ".join(f"{number}other{each}" for each in range(60)))
    assert alike.result()[:2] == (40, 20)


def test_figures_count_every_row() -> None:
    contents = Contents()
    for number in range(50):
        contents.add(number, clean(number))
    figures = contents.figures()
    assert sum(rows for _, _, rows in figures["lengths"]) == 50
    assert figures["turns"] == [[2, 50]]
    assert figures["roles"] == [["user", 50], ["assistant", 50]]


def create(*rows: dict[str, Any]) -> Dataset:
    content = "\n".join(map(json.dumps, rows)).encode()
    return create_dataset(owner=make_user(), name="", upload=SimpleUploadedFile("rows.jsonl", content))


@pytest.mark.django_db
def test_a_dataset_is_looked_through_once_it_is_read(django_capture_on_commit_callbacks: Any) -> None:
    dataset = create(chat("Hi", "{{answer}}"), *[clean(1)] * 3)
    found = survey_of(dataset)
    assert found is not None
    assert [(each["code"], each["rows"]) for each in found["advice"]] == [("duplicates", 2), ("placeholders", 1)]
    told = dataset_facts(str(dataset.pk), dataset.owner)["content_advice"]
    assert told == ("rows that are there more than once (2)", "placeholders that nobody filled in (1)")
    path = dataset.path.with_suffix(SURVEY)
    with django_capture_on_commit_callbacks(execute=True):
        delete_dataset(dataset=dataset)
    assert not path.exists()


@pytest.mark.django_db
def test_a_dataset_is_ready_even_when_looking_through_it_fails(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def crash(dataset: Dataset) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(survey_module, "make_index", crash)
    dataset = create(clean(1))
    assert (dataset.status, survey_of(dataset)) == ("ready", None)
    assert "Looking through dataset" in caplog.text


@pytest.mark.django_db
def test_the_api_and_the_page_tell_what_was_found(client: Any) -> None:
    dataset = create(chat("Hi", "{{answer}}"), clean(5))
    told = make_client(dataset.owner).get(f"/api/v1/datasets/{dataset.pk}/contents/").json()
    assert told["advice"][0]["examples"] == [{"line": 1, "text": "Hi {{answer}}"}]
    client.force_login(dataset.owner)
    page = client.get(f"/datasets/{dataset.pk}/").content.decode()
    assert 'data-code="placeholders"' in page
    assert "Rows by length: " in page
    dataset.path.with_suffix(SURVEY).unlink()
    assert make_client(dataset.owner).get(f"/api/v1/datasets/{dataset.pk}/contents/").status_code == 409
    assert "Rows by length: " not in client.get(f"/datasets/{dataset.pk}/").content.decode()
