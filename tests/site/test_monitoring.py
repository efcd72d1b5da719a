"""/readyz and /metrics: right for those who watch, silent to strangers."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ
from prometheus_client.parser import text_string_to_metric_families

from finetune_site.monitoring import metrics as metrics_module
from jobs.models import Node, Place, State
from tests.make import make_job, make_user

pytestmark = pytest.mark.django_db
PATHS = pytest.mark.parametrize("path", ["/readyz", "/metrics"])


@pytest.fixture
def change(settings: Any) -> Any:
    def change(**values: Any) -> None:
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=values)

    return change


def make_node(**facts: Any) -> Node:
    told = {
        "machine": {"gpu_list": [{"index": 0, "name": "Card", "memory": 80, "free": 30}]},
        "places": 1,
        "closed": "",
        "disk": {"free": 5, "total": 9},
        "queues": {"train-box": {"answered": time.time() - 2}},
    }
    now = timezone.now()
    return Node.objects.create(name="box", started_at=now, seen_at=now, facts={**told, **facts})


def measured(client: Client) -> dict[str, float]:
    """Every sample as Prometheus reads it, by its name with its labels."""
    client.force_login(make_user("chief", is_staff=True))
    response = client.get("/metrics")
    assert response.status_code == 200
    families = text_string_to_metric_families(response.content.decode())
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in families
        for sample in family.samples
    }


def parts(client: Client) -> dict[str, tuple[bool, str]]:
    client.force_login(make_user("chief", is_staff=True))
    response = client.get("/readyz")
    told = response.json()
    assert told["ready"] == (response.status_code == 200) == all(part["ok"] for part in told["parts"])
    return {part["name"]: (part["ok"], part["detail"]) for part in told["parts"]}


@PATHS
def test_strangers_and_people_without_a_charge_learn_nothing(client: Client, path: str) -> None:
    make_node()
    for _ in range(2):
        response = client.get(path)
        assert response.status_code == 401
        assert "box" not in response.content.decode()
        client.force_login(make_user("colleague"))


@PATHS
def test_a_monitoring_token_lets_in_and_a_wrong_one_does_not(client: Client, path: str, change: Any) -> None:
    change(metrics_token="sesame")
    assert client.get(path, headers={"Authorization": "Bearer sesame"}).status_code in (200, 503)
    for wrong in ("Bearer sesam", "Bearer ", "sesame", "Token sesame"):
        assert client.get(path, headers={"Authorization": wrong}).status_code == 401


@PATHS
def test_no_token_is_set_means_no_token_fits(client: Client, path: str) -> None:
    assert client.get(path, headers={"Authorization": "Bearer "}).status_code == 401


@PATHS
def test_an_address_that_is_let_in_needs_no_token_unless_it_is_a_proxy(client: Client, path: str, change: Any) -> None:
    change(metrics_from=("127.0.0.0/8",))
    assert client.get(path).status_code in (200, 503)
    assert client.get(path, headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 401
    assert client.get(path, REMOTE_ADDR="203.0.113.9").status_code == 401


def test_everything_works(client: Client) -> None:
    make_node()
    assert {name for name, (ok, _) in parts(client).items() if ok} == {
        "database", "home", "disk", "machine box", "queue train-box of box"
    }  # fmt: skip


def test_no_machine_is_told_with_what_to_do(client: Client) -> None:
    assert parts(client)["machines"] == (False, "No machine takes jobs. Start one: python manage.py node")


def test_a_closed_machine_and_a_silent_queue_are_told(client: Client) -> None:
    make_node(closed="Its disk is full.", queues={"portal": {"answered": None}, "checks": {"answered": 1.0}})
    told = parts(client)
    assert told["machine box"] == (False, "Its disk is full.")
    assert told["queue portal of box"] == (False, "It has not answered yet.")
    assert not told["queue checks of box"][0]


def test_a_disk_below_the_floor_is_told(client: Client, change: Any) -> None:
    change(disk_floor_mb=10**9)
    ok, detail = parts(client)["disk"]
    assert not ok and "less than the 1000000000 MB below which no training starts" in detail


def test_jobs_places_gpus_and_queues_are_measured(client: Client) -> None:
    make_node()
    make_job(state=State.QUEUED)
    make_job(state=State.PAUSED)
    Place.objects.create(machine="box", slot=0, job=make_job(state=State.RUNNING))
    OrmQ.objects.create(key="portal", payload="", lock=timezone.now())
    told = measured(client)
    assert told["foretune_jobs queued"] == told["foretune_jobs running"] == told["foretune_jobs paused"] == 1
    assert told["foretune_jobs preparing"] == 0
    assert told["foretune_places box"] == told["foretune_places_taken box"] == 1
    assert told["foretune_gpu_memory_bytes 0 box Card"] == 80
    assert told["foretune_gpu_memory_free_bytes 0 box Card"] == 30
    assert told["foretune_disk_free_bytes box"] == 5
    assert told["foretune_machine_up box"] == 1
    assert 1 < told["foretune_queue_answered_seconds box train-box"] < 60
    assert told["foretune_tasks_waiting portal"] == 1
    assert told["foretune_queue_oldest_seconds"] >= 0


def test_failures_of_the_last_day_are_counted_by_their_finding(client: Client) -> None:
    now = timezone.now()
    for code in ("memory.exceeded", "memory.exceeded", "data.empty"):
        make_job(state=State.FAILED, error={"code": code, "message": "x"}, finished_at=now)
    make_job(state=State.SUCCEEDED, finished_at=now)
    make_job(state=State.FAILED, error={"code": "old"}, finished_at=now - metrics_module.DAY * 2)
    told = measured(client)
    assert told["foretune_failures_last_day memory.exceeded"] == 2
    assert told["foretune_failures_last_day data.empty"] == 1
    assert "foretune_failures_last_day old" not in told
    assert told["foretune_jobs_ended_last_day failed"] == 3


def test_a_machine_that_is_away_is_down(client: Client) -> None:
    make_node()
    Node.objects.update(seen_at=None)
    assert measured(client)["foretune_machine_up box"] == 0


def test_metrics_say_when_the_database_is_away(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("gone")

    client.force_login(make_user("chief", is_staff=True))
    monkeypatch.setattr(metrics_module, "_jobs", away)
    assert client.get("/metrics").status_code == 503
