"""The page of one job, its live answers and its files."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from jobs.models import Job
from tests.make import make_job, make_user

from .conftest import browse

STEP = {"event": "step", "at": "2026-01-02T03:04:05Z", "step": 1, "total_steps": 9, "loss": 2.5}


def write(job: Job, name: str, content: str) -> Path:
    path = job.run_dir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def running(owner: User, *events: dict[str, Any]) -> Job:
    job = make_job(owner, state="running", attempt=1, step=1, total_steps=9)
    write(job, "events.jsonl", "".join(json.dumps(event) + "\n" for event in events))
    return job


def finished(owner: User, **files: str) -> Job:
    artifacts = [{"name": name, "size": len(text), "sha256": "00"} for name, text in files.items()]
    job = make_job(owner, state="succeeded", attempt=1, result={"artifacts": artifacts})
    for name, text in files.items():
        write(job, f"output/{name}", text)
    return job


def test_news_come_once(person: Client, owner: User) -> None:
    job = running(owner, STEP, STEP | {"step": 2})
    first = person.get(f"/jobs/{job.pk}/events/").json()
    again = person.get(f"/jobs/{job.pk}/events/?attempt=1&after={first['after']}").json()
    assert [event["step"] for event in first["events"]] == [1, 2]
    assert again["events"] == [] and not again["reset"] and not again["more"]


def test_a_line_that_is_half_written_comes_when_it_is_whole(person: Client, owner: User) -> None:
    job = running(owner, STEP)
    path = job.run_dir / "events.jsonl"
    path.write_text(path.read_text() + '{"event": "step", "st')
    first = person.get(f"/jobs/{job.pk}/events/").json()
    path.write_text(path.read_text() + 'ep": 2, "loss": 1.0}\n')
    then = person.get(f"/jobs/{job.pk}/events/?attempt=1&after={first['after']}").json()
    assert [event["step"] for event in first["events"] + then["events"]] == [1, 2]


def test_another_attempt_begins_anew(person: Client, owner: User) -> None:
    job = running(owner, STEP)
    news = person.get(f"/jobs/{job.pk}/events/?attempt=0&after=999").json()
    assert news["reset"] and len(news["events"]) == 1


def test_the_log_is_sent_only_when_it_has_grown(person: Client, owner: User) -> None:
    job = running(owner)
    write(job, "log.txt", "loading\n")
    first = person.get(f"/jobs/{job.pk}/events/").json()
    same = person.get(f"/jobs/{job.pk}/events/?attempt=1&log={first['log_mark']}").json()
    assert first["log"] == "loading\n"
    assert "log" not in same


def test_a_strange_cursor_is_taken_as_the_beginning(person: Client, owner: User) -> None:
    job = running(owner, STEP)
    for after in ("-1", "x", "1e9", "²", "9" * 40):
        assert person.get(f"/jobs/{job.pk}/events/", {"attempt": "1", "after": after}).status_code == 200


def test_what_went_wrong_is_shown_with_its_cure(person: Client, owner: User) -> None:
    fix = {"label": "Use batch size 2", "changes": {"training.batch_size": 2}, "action": None}
    error = {"code": "memory.out", "severity": "error", "field": "training.batch_size", "message": "Too <big>.",
             "fix": fix, "fixes": [fix]}  # fmt: skip
    job = make_job(owner, state="failed", error=error)
    content = person.get(f"/jobs/{job.pk}/").content.decode()
    assert "Too &lt;big&gt;." in content
    assert f"/jobs/new?from={job.pk}&amp;training.batch_size=2" in content


def test_one_file_and_all_files_can_be_fetched(person: Client, owner: User) -> None:
    job = finished(owner, **{"adapter.safetensors": "weights", "run.json": "{}"})
    one = person.get(f"/jobs/{job.pk}/artifacts/adapter.safetensors")
    assert b"".join(one) == b"weights" and one.headers["Content-Length"] == "7"
    every = person.get(f"/jobs/{job.pk}/archive")
    body = b"".join(every)
    assert int(every.headers["Content-Length"]) == len(body)
    assert zipfile.ZipFile(io.BytesIO(body)).namelist() == ["adapter.safetensors", "run.json"]


def test_only_files_of_the_result_can_be_fetched(person: Client, owner: User) -> None:
    job = finished(owner, **{"run.json": "{}"})
    write(job, "output/secret.txt", "no")
    write(job, "log.txt", "no")
    for name in ("secret.txt", "../log.txt", "..%2Flog.txt", "/etc/passwd", "missing"):
        assert person.get(f"/jobs/{job.pk}/artifacts/{name}").status_code == 404


def test_a_waiting_job_is_cancelled_by_its_button(person: Client, owner: User) -> None:
    job = make_job(owner)
    assert person.post(f"/jobs/{job.pk}/cancel").headers["Location"] == f"/jobs/{job.pk}/"
    job.refresh_from_db()
    assert job.state == "cancelled"


def test_cancelling_what_has_ended_is_said_kindly(person: Client, owner: User) -> None:
    job = make_job(owner, state="succeeded")
    assert b"already ended" in person.post(f"/jobs/{job.pk}/cancel", follow=True).content


def test_run_again_makes_a_new_job(person: Client, good: dict[str, str]) -> None:
    person.post("/jobs/new", good)
    first = Job.objects.get()
    Job.objects.update(state="failed")
    answer = person.post(f"/jobs/{first.pk}/retry")
    assert Job.objects.get(retry_of=first).get_absolute_url() == answer.headers["Location"]


def test_run_again_leads_to_the_form_when_it_would_be_refused(person: Client, owner: User) -> None:
    job = make_job(owner, state="failed")
    assert person.post(f"/jobs/{job.pk}/retry").headers["Location"] == f"/jobs/new?from={job.pk}"


def test_nothing_is_changed_by_looking(person: Client, owner: User) -> None:
    job = make_job(owner)
    assert person.get(f"/jobs/{job.pk}/cancel").status_code == 405
    assert person.get(f"/jobs/{job.pk}/retry").status_code == 405


def test_a_stranger_finds_nothing(owner: User) -> None:
    job = finished(owner, **{"run.json": "{}"})
    stranger = browse(make_user("stranger"))
    looked = ("", "events/", "log", "artifacts/run.json", "archive")
    asked = ("cancel", "retry")
    answers = [stranger.get(f"/jobs/{job.pk}/{rest}") for rest in looked]
    answers += [stranger.post(f"/jobs/{job.pk}/{rest}") for rest in asked]
    assert [answer.status_code for answer in answers] == [404] * 7
