"""What pages and calls cost with a long history: each asked for again and again, every time for something else.

`BENCH_JOBS` says how long (default 5,000, with fifty points a job). With `BENCH_SEEDED=1` the
database of `DATABASE_URL`, which `manage.py seed_history` has filled, is measured as it is. "ours" is what
processors were busy for, here and in the database, which busy neighbours change less than the time by the clock.
"""

from __future__ import annotations

import gc
import json
import os
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Max
from django.test import Client

from jobs import queueing
from jobs.metrics import POINTS_A_BATCH
from jobs.models import ON_A_MACHINE, Job, MetricBatch, State
from jobs.seeding import History
from models_catalog.models import BaseModel
from tests.benchmarks.test_check import share

pytestmark = [pytest.mark.benchmark, pytest.mark.django_db]
SEEDED = os.environ.get("BENCH_SEEDED") == "1"
JOBS = int(os.environ.get("BENCH_JOBS", "5000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "40"))
ONLY = os.environ.get("BENCH_ONLY", "")
GOAL = 150.0
Ask = Callable[[], object]


@pytest.fixture(scope="session")
def django_db_setup(request: pytest.FixtureRequest) -> None:
    """No database of its own where one is given; what a test writes into that is rolled back."""
    if not SEEDED:
        request.getfixturevalue("django_db_setup")  # the one that this stands before


class World:
    """What there is to ask for, and by whom."""

    def __init__(self) -> None:
        self.lot = random.Random(7)  # noqa: S311
        self.last = Job.objects.aggregate(last=Max("pk"))["last"]
        busiest = Job.objects.filter(pk__gt=self.last - 5000).values("owner").annotate(n=Count("pk")).order_by("-n")
        self.person = self.logged_in(User.objects.get(pk=busiest[0]["owner"]))
        self.admin = self.logged_in(User.objects.create_superuser("bench-admin"))
        self.models = list(BaseModel.objects.filter(jobs__pk__gt=self.last - 5000).distinct().values_list("pk", "name"))
        longest = (
            MetricBatch.objects.filter(level=0, number__gt=0).order_by("-number")[:5000].values_list("job", flat=True)
        )
        self.long_runs = list(dict.fromkeys(longest))[:5] or [self.last // 2]
        self.own_jobs = Job.objects.filter(owner=busiest[0]["owner"]).count()

    def logged_in(self, user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    def any_job(self) -> int:
        return self.lot.randint(1, self.last - 200)

    def word(self) -> str:
        return self.lot.choice(("legal", "garden letters", "SmolLM2", "kitchen", "on medical", "qwen", "tickets 3"))

    def number(self) -> str:
        return str(self.any_job())

    def nonsense(self) -> str:
        return "".join(self.lot.choices("bcdfghjklmnpqrstvwxz", k=6))


@pytest.fixture
def world() -> World:
    if not SEEDED:
        History(JOBS, JOBS * 50, say=print).write()
    cache.clear()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET max_parallel_workers_per_gather = 0")  # one process, whose work can be told
    return World()


def test_pages_and_calls(world: World) -> None:
    gc.collect()
    gc.freeze()  # the test suite and what it imports are no part of a portal's web server
    print(f"\n{connection.vendor}: {world.last} jobs")
    missed = [name for name, ask in asked(world).items() if ONLY in name and not holds(name, ask)]
    assert not missed, f"These took longer than {GOAL} ms: {missed}"


def asked(world: World) -> dict[str, Ask]:
    lot, models = world.lot, world.models
    states = [str(each) for each in State]

    def get(client: Client, address: Callable[[], str]) -> Ask:
        def ask() -> object:
            answer = client.get(address())
            assert answer.status_code == 200, (address(), answer.status_code)
            return answer.content if not answer.streaming else b"".join(answer)

        return ask

    def of(client: Client, title: str, **addresses: Callable[[], str]) -> dict[str, Ask]:
        return {f"{title}: {name.replace('_', ' ')}": get(client, address) for name, address in addresses.items()}

    def listed(client: Client, title: str) -> dict[str, Ask]:
        return of(
            client,
            title,
            newest=lambda: "/jobs/",
            any_page=lambda: f"/jobs/?page={lot.randint(1, 500)}",
            state=lambda: f"/jobs/?state={lot.choice(states)}",
            method=lambda: f"/jobs/?method={lot.choice(['sft', 'dpo'])}",
            model=lambda: f"/jobs/?model={lot.choice(models)[0]}",
            all_filters=lambda: (
                f"/jobs/?model={lot.choice(models)[0]}&state={lot.choice(states)}&method=dpo&search={world.word()}"
            ),
            search_for_a_word=lambda: f"/jobs/?search={world.word()}",
            search_for_one=lambda: f"/jobs/?search={world.number()}",
            search_for_nothing=lambda: f"/jobs/?search={world.nonsense()}",
            order=lambda: f"/jobs/?sort={lot.choice(['', '-'])}{lot.choice(['name', 'state', 'created_at', 'model'])}",
            order_and_filter=lambda: f"/jobs/?sort={lot.choice(['name', '-state'])}&model={lot.choice(models)[0]}",
        )

    def called(client: Client, title: str, most: int) -> dict[str, Ask]:
        columns = ["created_at", "started_at", "finished_at", "name", "state"]
        return of(
            client,
            title,
            newest=lambda: "/api/v1/jobs/",
            two_hundred=lambda: "/api/v1/jobs/?page_size=200",
            any_page=lambda: f"/api/v1/jobs/?page={lot.randint(1, min(400, most // 25))}",
            state=lambda: f"/api/v1/jobs/?state={lot.choice(states)}",
            states_and_method=lambda: f"/api/v1/jobs/?state=failed&state=refused&method={lot.choice(['sft', 'dpo'])}",
            model=lambda: f"/api/v1/jobs/?model={lot.choice(models)[1]}",
            all_filters=lambda: f"/api/v1/jobs/?model={lot.choice(models)[1]}&state={lot.choice(states)}&method=sft",
            search_for_a_word=lambda: f"/api/v1/jobs/?search={lot.choice(['legal', 'garden', 'tickets 3', 'qwen'])}",
            search_for_one=lambda: f"/api/v1/jobs/?search={world.number()}",
            search_for_nothing=lambda: f"/api/v1/jobs/?search={world.nonsense()}",
            order=lambda: f"/api/v1/jobs/?ordering={lot.choice(['', '-'])}{lot.choice(columns)}",
        )

    return {
        **listed(world.admin, "page of jobs, staff"),
        **listed(world.person, "page of jobs, busiest person"),
        **called(world.admin, "API, staff", world.last),
        **called(world.person, "API, busiest person", world.own_jobs),
        **of(
            world.admin,
            "one job",
            api_pages_far_back=lambda: f"/api/v1/jobs/?page={lot.randint(1, world.last // 25)}",
            page=lambda: f"/jobs/{world.any_job()}/",
            live_news=lambda: f"/jobs/{world.any_job()}/events/",
            api=lambda: f"/api/v1/jobs/{world.any_job()}/",
            metrics=lambda: f"/api/v1/jobs/{world.any_job()}/metrics/",
            metrics_of_the_longest=lambda: f"/api/v1/jobs/{lot.choice(world.long_runs)}/metrics/",
            every_point=lambda: (
                f"/api/v1/jobs/{lot.choice(world.long_runs)}/metrics/?after_step={lot.randint(0, POINTS_A_BATCH * 99)}"
            ),
        ),
        **of(
            world.admin,
            "admin",
            list=lambda: "/admin/jobs/job/",
            any_page=lambda: f"/admin/jobs/job/?p={lot.randint(1, 50)}",
            state=lambda: f"/admin/jobs/job/?state__exact={lot.choice(states)}",
            search=lambda: f"/admin/jobs/job/?q={lot.choice([world.word(), world.number(), world.nonsense()])}",
            order=lambda: f"/admin/jobs/job/?o={lot.choice(['0', '1', '-1', '6', '-6'])}",
            job=lambda: f"/admin/jobs/job/{world.any_job()}/change/",
        ),
        **of(
            world.person,
            "other pages",
            front=lambda: "/",
            queue=lambda: "/queue/",
            new_job=lambda: "/jobs/new",
            datasets=lambda: "/datasets/",
        ),
        "queue: next jobs": partial(queueing.in_order),
        "queue: on machines": lambda: list(Job.objects.filter(state__in=ON_A_MACHINE)),
    }


def holds(name: str, ask: Ask) -> bool:
    ask()  # templates and imports are read once
    taken, computed = zip(*(measured(ask) for _ in range(ROUNDS)), strict=True)
    waited, computing = sorted(taken), sorted(computed)
    p95 = share(waited, 0.95)
    line = {
        "name": f"history, {name}",
        "unit": "ms",
        "ours": share(computing, 0.5),
        "computing_p95": share(computing, 0.95),
    }
    print(json.dumps({**line, "p50": share(waited, 0.5), "p95": p95, "goal": GOAL, "holds": p95 < GOAL}))
    return p95 < GOAL


def measured(ask: Ask) -> tuple[float, float]:
    """Milliseconds by the clock, and those that processors were busy: this one, and the one of the database."""
    began, busy = time.perf_counter(), computing_so_far()
    ask()
    return (time.perf_counter() - began) * 1000, computing_so_far() - busy


def computing_so_far() -> float:
    own = time.process_time() * 1000
    if connection.vendor != "postgresql":
        return own
    backend = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
    return own + int(backend.read_text().split()[0]) / 1e6
