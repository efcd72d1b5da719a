"""A short chaos in every run of the tests; `make chaos` takes ten minutes on each database."""

from __future__ import annotations

import random

import pytest

from tests.chaos.campaign import skirmish
from tests.chaos.world import world
from tests.throwaway_postgres import is_installed

pytestmark = pytest.mark.slow
BLOWS = ("kill trainer", "kill shim", "kill qcluster", "kill node service", "power cut")


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_no_job_is_lost_or_doubled_while_everything_is_killed(database: str) -> None:
    if database == "postgres" and not is_installed():
        pytest.skip("needs PostgreSQL's programs (Debian: postgresql)")
    with world(postgres=database == "postgres") as made:
        verdict = skirmish(made, BLOWS, chance=random.Random(5))  # noqa: S311 - to be repeated
    assert verdict.holds, "\n".join(verdict.faults)
    assert verdict.kills == len(BLOWS) and verdict.attempts > verdict.jobs
    assert verdict.states["succeeded"] == verdict.jobs > 1
