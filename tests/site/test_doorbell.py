"""The doorbell rings when it is time, waits for its answer, and knows a dead cluster from a busy one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from finetune_site.portal.doorbell import Doorbell

pytestmark = pytest.mark.django_db
TASK = "finetune_site.portal.doorbell.pong"


def make_bell(every: float = 0, patience: float = 0) -> Doorbell:
    return Doorbell("train-testmachine", TASK, every=every, patience=patience)


def waiting() -> int:
    return OrmQ.objects.filter(key="train-testmachine").count()


def test_it_rings_once_and_waits_for_the_answer() -> None:
    bell = make_bell()
    bell.press()
    bell.press()
    assert waiting() == 1


def test_it_rings_again_when_it_was_answered() -> None:
    bell = make_bell()
    bell.press()
    OrmQ.objects.all().delete()
    bell.press()
    assert waiting() == 1


def test_it_does_not_ring_before_its_time() -> None:
    bell = make_bell(every=60)
    bell.press()
    OrmQ.objects.all().delete()
    bell.press()
    assert waiting() == 0


def test_a_ring_that_nobody_answers_means_dead() -> None:
    bell = make_bell()
    bell.press()
    assert bell.is_dead


def test_an_answered_ring_means_alive() -> None:
    bell = make_bell()
    bell.press()
    OrmQ.objects.all().delete()
    assert not bell.is_dead


def test_a_young_ring_means_nothing_yet() -> None:
    bell = make_bell(patience=60)
    bell.press()
    assert not bell.is_dead


def test_two_older_tasks_may_keep_both_workers_busy() -> None:
    OrmQ.objects.create(key="train-testmachine", payload="", lock=timezone.now())
    OrmQ.objects.create(key="train-testmachine", payload="", lock=timezone.now())
    bell = make_bell()
    bell.press()
    assert not bell.is_dead


def test_tasks_of_a_dead_cluster_are_free_again_at_once() -> None:
    OrmQ.objects.create(key="train-testmachine", payload="", lock=timezone.now() + timedelta(hours=1))
    make_bell().give_back_tasks()
    assert OrmQ.objects.filter(lock__lte=timezone.now()).count() == 1
