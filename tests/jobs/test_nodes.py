"""Machines that train: which are there, whose cluster may work, and when none of their runs may start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import namedtuple
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psutil
import pytest
from django.conf import settings
from django.utils import timezone

from finetune_site import sessions
from jobs import nodes
from jobs.models import Node

pytestmark = pytest.mark.django_db
Usage = namedtuple("Usage", "free")


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    monkeypatch.setattr(sessions, "end", found.append)
    return found


def make_node(**values: Any) -> Node:
    given = {"name": settings.MACHINE_NAME, "generation": uuid4(), "seen_at": timezone.now(), **values}
    return Node.objects.create(**given)


def test_a_cluster_of_today_works_on(ended: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(nodes.GENERATION, str(make_node().generation))
    nodes.end_if_orphan()
    assert ended == []


def test_a_cluster_of_an_earlier_start_ends_its_own_session(ended: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    make_node()
    monkeypatch.setenv(nodes.GENERATION, str(uuid4()))
    nodes.end_if_orphan()
    assert ended == [os.getsid(0)]


def test_a_task_that_no_node_service_started_is_left_alone(ended: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    make_node()
    monkeypatch.delenv(nodes.GENERATION, raising=False)
    nodes.end_if_orphan()
    assert ended == []


def test_ending_a_session_reaches_those_whose_leader_is_dead() -> None:
    script = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True)"
    with subprocess.Popen([sys.executable, "-c", script], start_new_session=True, stdout=subprocess.PIPE) as leader:
        left_behind = int(leader.stdout.readline())
    assert [process.pid for process in sessions.members(leader.pid)] == [left_behind]
    sessions.end(leader.pid)
    assert (
        psutil.wait_procs([psutil.Process(left_behind)] if psutil.pid_exists(left_behind) else [], timeout=5)[1] == []
    )


def test_only_machines_heard_of_just_now_are_live_the_freshest_first() -> None:
    now = timezone.now()
    make_node(name="silent", seen_at=now - nodes.SILENCE * 2)
    make_node(name="stopped", seen_at=None)
    make_node(name="older", seen_at=now - timedelta(seconds=9))
    make_node(name="fresh", seen_at=now)
    assert [node.name for node in nodes.live()] == ["fresh", "older"]


def test_nothing_starts_on_a_disk_below_the_floor_and_the_sentence_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nodes.shutil, "disk_usage", lambda _: Usage(settings.ENVIRONMENT.disk_floor_mb * 10**6 - 1))
    assert "less than the 1.0 GB that must stay free. Waiting jobs start once there is room" in nodes.closed()


def test_a_machine_with_room_is_open_until_somebody_closes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes.shutil, "disk_usage", lambda _: Usage(settings.ENVIRONMENT.disk_floor_mb * 10**6))
    assert nodes.closed() == ""
    make_node(draining=True)
    assert "closed this machine for new jobs" in nodes.closed()


def test_those_who_wait_are_told_that_no_machine_is_there() -> None:
    assert nodes.why_nothing_starts().startswith("No machine takes jobs at present")


def test_those_who_wait_are_told_why_every_machine_is_closed() -> None:
    make_node(facts={"closed": "Its disk is full."})
    assert nodes.why_nothing_starts() == "Its disk is full."
    make_node(name="other", facts={"closed": ""})
    assert nodes.why_nothing_starts() == ""


def test_every_machine_that_is_there_is_rung_and_without_any_the_own() -> None:
    assert nodes.train_queues() == [settings.TRAIN_QUEUE]
    make_node(name="gpu-box")
    assert nodes.train_queues() == ["train-gpu-box"]
