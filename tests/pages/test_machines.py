"""The machines that train, as staff see them."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from jobs import nodes
from jobs.models import Node, State
from tests.make import make_client, make_job, make_user

pytestmark = pytest.mark.django_db

CARD = {
    "index": 0,
    "name": "Card <X>",
    "memory": 80 * 10**9,
    "free": 30 * 10**9,
    "capability": [9, 0],
    "driver": "580.65",
}


def make_node(name: str = "box", **changes: Any) -> Node:
    facts = {
        "machine": {"gpu_list": [CARD], "bf16": True, "ram": 64 * 10**9},
        "memory_free": 32 * 10**9,
        "versions": {"torch": "2.13.0"},
        "queues": {"train-box": {"answered": time.time() - 200}, "portal": {"answered": None}},
        "models": ["gpt2"],
        "closed": "",
        "warm": True,
    }
    now = timezone.now()
    return Node.objects.create(name=name, **{"started_at": now, "seen_at": now, "facts": facts, **changes})


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(make_user("chief", is_staff=True))
    return client


def text(client: Client) -> str:
    return " ".join(client.get("/machines/").content.decode().split())


def test_a_machine_is_shown_with_what_it_has_and_what_trains_on_it(staff: Client) -> None:
    make_node()
    make_job(make_user("ada"), name="support", state=State.RUNNING, machine="box", slots=(0,))
    page = text(staff)
    assert "0: Card &lt;X&gt;, 30.0 GB of 80.0 GB free, compute capability 9.0, driver 580" in page
    assert "32.0 GB of 64.0 GB free" in page
    assert "torch 2.13.0" in page
    assert "portal not yet, train-box 3 minutes ago" in page
    assert ">support</a> of ada" in page
    assert "It takes jobs." in page


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seen_at": None}, "<strong>Away.</strong> Its node service is not running"),
        ({"seen_at": timezone.now() - timedelta(days=1)}, "<strong>Away.</strong>"),
        ({"facts": {"closed": "Its disk is full."}}, "<strong>Closed.</strong> Its disk is full."),
        ({"facts": {}}, "none: jobs train on the processor"),
    ],
    ids=["stopped", "silent", "full", "told nothing yet"],
)
def test_why_a_machine_starts_nothing_is_said(staff: Client, changes: dict[str, Any], said: str) -> None:
    make_node(**changes)
    assert said in text(staff)


def test_without_any_machine_it_says_how_to_start_one(staff: Client) -> None:
    assert "<code>python manage.py node</code>" in text(staff)


def test_staff_close_a_machine_and_open_it_again(staff: Client) -> None:
    node = make_node(settings.MACHINE_NAME)
    staff.post(f"/machines/{node.pk}/close")
    assert "It was closed just now." in text(staff)
    assert "closed this machine for new jobs" in nodes.closed()
    staff.post(f"/machines/{node.pk}/open")
    assert nodes.closed() == ""


def test_other_people_may_not_see_or_close_machines(client: Client) -> None:
    node = make_node()
    client.force_login(make_user())
    assert client.get("/machines/").status_code == 403
    assert client.post(f"/machines/{node.pk}/close").status_code == 403
    assert "/machines/" not in client.get("/").content.decode()
    api = make_client(make_user())
    assert api.get("/api/v1/machines/").status_code == 403
    assert api.post(f"/api/v1/machines/{node.pk}/close/").status_code == 403
    node.refresh_from_db()
    assert not node.draining


def test_programs_of_staff_see_and_close_machines() -> None:
    node = make_node()
    job = make_job(state=State.RUNNING, machine="box", slots=(0, 1))
    api = make_client(make_user("chief", is_staff=True))
    [told] = api.get("/api/v1/machines/").json()
    assert (told["name"], told["state"], told["jobs"]) == ("box", "open", [job.pk])
    assert told["facts"]["versions"] == {"torch": "2.13.0"}
    assert api.post(f"/api/v1/machines/{node.pk}/close/").json()["state"] == "closed"
    assert api.post(f"/api/v1/machines/{node.pk}/open/").json()["state"] == "open"
    assert api.post("/api/v1/machines/99/open/").status_code == 404


def test_any_number_of_machines_takes_the_same_queries(staff: Client, django_assert_max_num_queries: Any) -> None:
    for number in range(5):
        make_node(f"box{number}")
        make_job(state=State.RUNNING, machine=f"box{number}", slots=(0,))
    with django_assert_max_num_queries(6):
        staff.get("/machines/")
