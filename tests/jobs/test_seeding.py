"""The history that nobody lived: as large as asked, and shaped like one that somebody did."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from jobs import metrics, seeding
from jobs.metrics import Recorder, curve
from jobs.models import Attempt, Job, MetricBatch, State, Transition
from tests.make import make_client, make_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def seeded(monkeypatch):
    monkeypatch.setattr(seeding, "JOBS_AT_ONCE", 50)
    seeding.History(jobs=120, metrics=12_000, say=lambda text: None).write()


def test_there_are_so_many_jobs_and_about_so_many_points(seeded):
    points = sum(MetricBatch.objects.filter(level=0).values_list("count", flat=True))
    assert Job.objects.count() == 120 and 6_000 < points < 20_000
    assert {State.SUCCEEDED, State.FAILED, State.CANCELLED} < set(Job.objects.values_list("state", flat=True))


def test_every_job_has_lived(seeded):
    for job in Job.objects.all():
        assert job.transitions.last().to_state == job.state
        assert job.attempts.count() == job.attempt
        assert (job.finished_at is not None) == (not job.is_active)
        assert len(curve(job, 50)) <= 50 and bool(job.step) == job.metric_batches.exists()
    assert Transition.objects.count() > 240 and Attempt.objects.filter(outcome="lost").exists()


def test_its_pages_open_and_the_api_lists_it(seeded, client):
    admin = User.objects.create(username="admin", is_staff=True)
    client.force_login(admin)
    job = Job.objects.filter(state=State.SUCCEEDED).first()
    for address in ("/jobs/", job.get_absolute_url()):
        assert client.get(address).status_code == 200
    assert make_client(admin).get("/api/v1/jobs/").json()["count"] == 120


def test_a_whole_curve_lies_there_as_a_recorder_leaves_it(monkeypatch):
    for module in (metrics, seeding):
        monkeypatch.setattr(module, "POINTS_A_BATCH", 4)
    points = [{"step": number, "loss": float(number % 7)} for number in range(1, 100)]
    for size in (1, 4, 5, 16, 17, 64, 65, 99):
        recorder = Recorder(job := make_job(state="running", attempt=1))
        for point in points[:size]:
            recorder.add({"event": "step", **point})
        recorder.flush()
        fields = ("level", "number", "first_step", "last_step", "count")
        recorded = {tuple(row[:5]): bytes(row[5]) for row in job.metric_batches.values_list(*fields, "points")}
        assert recorded == {
            tuple(row[name] for name in fields): row["points"] for row in seeding.rows_of(points[:size])
        }


def test_a_database_with_jobs_is_left_alone():
    make_job()
    with pytest.raises(CommandError, match="There are jobs in this database"):
        call_command("seed_history", jobs=10, metrics=10)
