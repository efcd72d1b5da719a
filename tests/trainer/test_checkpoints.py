"""Checkpoints are whole or not there, are looked through before use, and are thinned without losing the last."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.trainer import checkpoints
from jobs.trainer.checkpoints import Checkpoint, adopt, aside, last_complete, last_sound, prune, seal, verified

JOB = "0123"
FILES = {"adapter_model.safetensors": b"weights" * 40, "tokenizer.json": b"{}", "optimizer.pt": b"state" * 99}


def write(store: Path, step: int, *, job: str = JOB, best: int | None = None) -> Checkpoint:
    with aside(store, step) as folder:
        for name, content in FILES.items():
            (folder / name).write_bytes(content + str(step).encode())
        (folder / "additional_chat_templates").mkdir()
        (folder / "additional_chat_templates" / "tools.jinja").write_text("{{ tools }}")
        return seal(folder, job=job, best=best)


def steps(store: Path) -> list[int]:
    return sorted(int(folder.name.removeprefix("checkpoint-")) for folder in store.iterdir())


def cut(folder: Path) -> None:
    path = folder / "optimizer.pt"
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    content = bytearray(path.read_bytes())
    content[7] ^= 1
    path.write_bytes(content)


def lose_a_file(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def lose_the_manifest(folder: Path) -> None:
    (folder / "complete.json").unlink()


def cut_the_manifest(folder: Path) -> None:
    path = folder / "complete.json"
    path.write_text(path.read_text()[:-20])


def change_the_manifest(folder: Path) -> None:
    path = folder / "complete.json"
    path.write_text(path.read_text().replace('"best": null', '"best": 3'))


def exchange_folders(folder: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name("checkpoint-10"), folder)


DAMAGE = {
    cut: "optimizer.pt has 496 bytes instead of 497",
    flip_a_bit: "the content of adapter_model.safetensors has changed since it was written",
    lose_a_file: "tokenizer.json is missing",
    lose_the_manifest: "it was not written to its end",
    cut_the_manifest: "its complete.json cannot be read",
    change_the_manifest: "its complete.json is damaged",
    exchange_folders: "its complete.json is damaged",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_one_is_refused_with_the_reason_and_the_one_before_is_taken(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    write(tmp_path, 10)
    damage(write(tmp_path, 20).folder)
    found, refused = last_sound([tmp_path], JOB)
    assert found and found.step == 10
    assert refused == [(20, DAMAGE[damage])]


def test_one_of_another_job_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 10)
    write(tmp_path, 20, job="4567")
    found, refused = last_sound([tmp_path], JOB)
    assert found and found.step == 10
    assert refused == [(20, "it belongs to a job with other settings or other rows")]


def test_one_whose_best_is_lost_is_refused(tmp_path: Path) -> None:
    flip_a_bit(write(tmp_path, 10, best=10).folder)
    write(tmp_path, 20, best=10)
    found, refused = last_sound([tmp_path], JOB)
    assert found is None
    assert refused[0][1].startswith("the best one before it, of step 10, is lost: the content of adapter_model")


def test_where_there_is_none_nothing_is_refused(tmp_path: Path) -> None:
    assert last_sound([tmp_path, tmp_path / "absent"], JOB) == (None, [])


def test_the_newest_of_all_attempts_is_taken(tmp_path: Path) -> None:
    write(tmp_path / "2", 30)
    write(tmp_path / "1", 20)
    write(tmp_path / "1", 40)
    found, _ = last_sound([tmp_path / "2", tmp_path / "1"], JOB)
    assert found and found.folder == tmp_path / "1" / "checkpoint-40"


def test_of_the_same_step_that_of_the_newest_attempt_is_taken(tmp_path: Path) -> None:
    write(tmp_path / "1", 20)
    write(tmp_path / "2", 20)
    found, _ = last_sound([tmp_path / "2", tmp_path / "1"], JOB)
    assert found and found.folder.parent.name == "2"


def test_one_that_fails_while_it_is_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), aside(tmp_path, 10) as folder:
        (folder / "optimizer.pt").write_bytes(b"half")
        raise RuntimeError
    assert steps(tmp_path) == []


def test_what_a_killed_process_left_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "writing-10").mkdir()
    (tmp_path / "writing-10" / "optimizer.pt").write_bytes(b"half")
    assert last_sound([tmp_path], JOB) == (None, [])
    checkpoints.clear_half_written(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_sound_one_takes_the_place_of_a_damaged_one_of_its_step(tmp_path: Path) -> None:
    cut(write(tmp_path, 10).folder)
    write(tmp_path, 10)
    assert verified(tmp_path / "checkpoint-10", JOB).step == 10


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    for step in (5, 10, 20):
        write(tmp_path, step)
        prune(tmp_path)
    assert steps(tmp_path) == [10, 20]


def test_the_best_one_is_kept_with_the_newest(tmp_path: Path) -> None:
    for step in (5, 10, 20):
        write(tmp_path, step, best=5)
        prune(tmp_path, best=5)
    assert steps(tmp_path) == [5, 20]


def test_damaged_ones_do_not_push_out_the_last_sound_one(tmp_path: Path) -> None:
    write(tmp_path, 5)
    for step in (10, 20):
        lose_a_file(write(tmp_path, step).folder)
    prune(tmp_path, keep=1)
    assert last_complete([tmp_path]) == checkpoints.read(tmp_path / "checkpoint-5")


def test_damaged_ones_go_once_there_are_enough_others(tmp_path: Path) -> None:
    cut(write(tmp_path, 5).folder)
    write(tmp_path, 10)
    prune(tmp_path)
    assert steps(tmp_path) == [5, 10]
    write(tmp_path, 20)
    prune(tmp_path)
    assert steps(tmp_path) == [10, 20]


def test_one_that_is_taken_over_outlives_the_attempt_it_came_from(tmp_path: Path) -> None:
    write(tmp_path / "1", 10, best=10)
    taken = adopt(write(tmp_path / "1", 20, best=10), tmp_path / "2")
    assert (taken.folder / "optimizer.pt").stat().st_nlink == 2
    shutil.rmtree(tmp_path / "1")
    assert verified(taken.folder, JOB) == taken
    assert steps(tmp_path / "2") == [10, 20]


def test_where_files_cannot_be_linked_they_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError("another disk")))
    taken = adopt(write(tmp_path / "1", 10), tmp_path / "2")
    assert verified(taken.folder, JOB).files == checkpoints.read(tmp_path / "1" / "checkpoint-10").files


def test_the_partial_result_is_what_was_trained(tmp_path: Path) -> None:
    artifacts = write(tmp_path, 10).artifacts
    names = [each["name"] for each in artifacts]
    assert names == ["adapter_model.safetensors", "additional_chat_templates/tools.jinja", "tokenizer.json"]
    assert artifacts[0]["sha256"] == checkpoints.sha256(tmp_path / "checkpoint-10" / "adapter_model.safetensors")


def test_a_manifest_says_what_belongs_to_it(tmp_path: Path) -> None:
    told = json.loads((write(tmp_path, 10).folder / "complete.json").read_text())
    assert (told["step"], told["job"], len(told["files"])) == (10, JOB, 4)
