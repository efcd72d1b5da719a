"""Which node service a machine's row belongs to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.utils import timezone

from finetune_site.portal import presence
from finetune_site.portal.doorbell import Doorbell
from finetune_site.portal.presence import Presence
from finetune_site.portal.readiness import CannotServe
from jobs.models import Node

pytestmark = pytest.mark.django_db


def row() -> Node:
    return Node.objects.get(name=settings.MACHINE_NAME)


def make_row(**values: Any) -> Node:
    given = {"generation": uuid4(), "seen_at": timezone.now(), "machine_id": "another", "address": "box", "pid": 7}
    return Node.objects.create(name=settings.MACHINE_NAME, **{**given, **values})


def never(seconds: float) -> None:
    raise AssertionError("It waits for nobody.")


def test_a_first_start_makes_the_row_and_tells_what_the_machine_has() -> None:
    own = Presence()
    own.begin(wait=never)
    assert (row().generation, row().machine_id) == (own.generation, presence.identity())
    assert row().facts["machine"]["disk_free"] > 0
    assert row().facts["versions"]["torch"]


def test_the_dead_predecessor_of_the_same_home_is_waited_for_by_nobody() -> None:
    make_row(machine_id=presence.identity())
    own = Presence()
    own.begin(wait=never)
    assert row().generation == own.generation


def test_one_of_another_home_that_gives_a_sign_of_life_is_left_in_peace() -> None:
    before = make_row()

    def beat(seconds: float) -> None:
        assert seconds > 10
        Node.objects.update(seen_at=timezone.now())

    with pytest.raises(CannotServe, match=r"serves the machine testmachine on box \(process 7\)\. Stop that one, or"):
        Presence().begin(wait=beat)
    assert row().generation == before.generation


def test_one_of_another_home_that_gives_none_is_succeeded() -> None:
    make_row()
    own = Presence()
    own.begin(wait=lambda seconds: None)
    assert row().generation == own.generation


@pytest.mark.parametrize("seen_at", [None, timezone.now() - timedelta(hours=1)], ids=["stopped", "long silent"])
def test_one_that_has_stopped_or_fallen_silent_is_succeeded_at_once(seen_at: Any) -> None:
    make_row(seen_at=seen_at)
    own = Presence()
    own.begin(wait=never)
    assert row().generation == own.generation


def test_of_two_that_start_at_once_one_is_refused() -> None:
    make_row()
    other = Presence()
    with pytest.raises(CannotServe):
        Presence().begin(wait=lambda seconds: other.begin(wait=lambda seconds: None))
    assert row().generation == other.generation


def test_one_that_was_frozen_while_another_took_over_gives_way() -> None:
    own = Presence()
    own.begin(wait=never)
    Node.objects.update(generation=uuid4())
    with pytest.raises(CannotServe, match="Another node service serves the machine testmachine"):
        own.show()


def test_signs_of_life_come_every_few_seconds_and_say_when_queues_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    bell = Doorbell("train-testmachine", "x", every=1, patience=1, answered_at=5.0)
    own = Presence([bell])
    own.begin(wait=never)
    Node.objects.update(seen_at=None)
    own.show()
    assert row().facts["queues"] == {"train-testmachine": {"answered": 5.0}}
    Node.objects.update(seen_at=None)
    own.show()
    assert row().seen_at is None


def test_after_a_clean_stop_the_machine_is_away_at_once() -> None:
    own = Presence()
    own.begin(wait=never)
    own.end()
    assert (row().seen_at, row().pid) == (None, None)
