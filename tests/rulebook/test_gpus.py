"""Several GPUs of one job, wherever rows, steps, time and memory are reckoned."""

from __future__ import annotations

import pytest
from accelerate.data_loader import BatchSamplerShard
from torch.utils.data import BatchSampler, SequentialSampler

from jobs.rulebook import read
from jobs.rulebook.estimate import estimate, kind_of
from jobs.rulebook.steps import total_steps

from .world import World, codes, spec

CARD = 24 * 10**9
TWO = {"gpus": 2, "bf16": True, "gpu_memory": 2 * CARD, "gpu_memories": (CARD, 2 * CARD)}


def world(**changes):
    return World(changes={**TWO, **changes})


def together(number, **changes):
    return spec(**{"training.num_processes": number, **changes})


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 16, 31])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_batches_are_dealt_out_as_accelerate_does(rows, processes):
    batches = BatchSampler(SequentialSampler(range(rows)), batch_size=4, drop_last=False)
    shards = [len(list(BatchSamplerShard(batches, processes, rank))) for rank in range(processes)]
    assert set(shards) == {total_steps(rows, 0, 4, 1, 1, num_processes=processes)}


def test_two_gpus_take_half_the_steps_and_as_many_tokens_in_each_as_both():
    one, two = (estimate(world().known(read(together(number)))) for number in (1, 2))
    assert two.tokens_per_step == 2 * one.tokens_per_step
    assert one.steps == pytest.approx(2 * two.steps, abs=3)


def test_copies_of_the_gradients_are_part_of_the_memory_of_several():
    full = {"lora.enabled": False}
    one, two = (estimate(world().known(read(together(number, **full)))) for number in (1, 2))
    assert two.memory_bytes - one.memory_bytes == 4 * one.trainable_parameters


def test_time_is_learnt_from_jobs_on_as_many_gpus():
    known = world().known(read(together(2)))
    kind = kind_of(known)
    assert kind.endswith(" on 2")
    work = 10**9
    reckoned = estimate({**known, "pace_history": {kind: [[work, 1.0]]}})
    assert reckoned.gpu_hours == pytest.approx(2 * reckoned.seconds / 3600, abs=1e-3)


def test_the_smaller_of_two_gpus_decides_what_fits():
    small = {"gpu_memories": (10**8, 2 * CARD)}
    assert codes(world(**small).report(read(together(1)))) == []
    assert codes(world(**small).report(read(together(2)))) == ["memory.weights-too-large"]


@pytest.mark.parametrize(("gpus", "asked", "said"), [(0, 1, []), (1, 2, ["gpus.too-many"]), (0, 2, ["gpus.too-many"])])
def test_no_more_gpus_than_there_are(gpus, asked, said):
    assert codes(World(changes={"gpus": gpus, "bf16": True}).report(read(together(asked)))) == said


@pytest.mark.parametrize(("limit", "said"), [(0, []), (1, ["gpus.beyond-limit"]), (2, []), (4, [])])
def test_no_more_gpus_than_one_person_may_hold(limit, said):
    report = World(changes={"gpus": 4, "bf16": True, "gpus_limit": limit}).report(read(together(2)))
    assert codes(report) == said
    assert [fix.changes for finding in report for fix in finding.fixes] == [{"training.num_processes": 1}] * len(said)


def test_fewer_rows_than_all_gpus_take_at_a_time_are_told():
    few = world(rows=15).report(read(together(2, **{"training.batch_size": 8})))
    [finding] = [each for each in few if each.code == "gpus.too-few-rows"]
    assert "16 rows at a time, and there are only 15 rows" in finding.message
    assert [fix.changes for fix in finding.fixes] == [{"training.batch_size": 7}, {"training.num_processes": 1}]
