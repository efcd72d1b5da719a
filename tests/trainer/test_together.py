"""Two processes train as one with batches twice as large does, and go on after they were stopped. Real, over gloo.

Gradients of two halves of a batch are summed in another order than those of the whole: floats of 32 bits then differ
in their last digits, and Adam carries that on. Over twelve steps that came to 1e-6 of losses from 7 to 2.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.trainer.interrupted import attempt
from tests.trainer.runs import ROOT, Outcome, command, environment, make_run

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # the libraries' own

TOLERANCE = 2e-5
LONG = {"training__num_epochs": 5}
PAIRS = {"kind": "preference", "training__method": "dpo", "training__learning_rate": 1e-3}


def start(run_dir: Path) -> subprocess.Popen[bytes]:
    with (run_dir / "log.txt").open("ab") as log:
        return subprocess.Popen(
            [*command(run_dir), "--processes", "2"],
            cwd=ROOT,
            env=environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def outcome(run_dir: Path, process: subprocess.Popen[bytes]) -> Outcome:
    return Outcome(run_dir, process.wait(300), (run_dir / "log.txt").read_text())


def two(run_dir: Path) -> Outcome:
    return outcome(run_dir, start(run_dir))


def wait_for_step(run_dir: Path, step: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 200
    while not any(each.get("step") == step for each in events(run_dir)):
        assert process.poll() is None and time.monotonic() < end, (run_dir / "log.txt").read_text()
        time.sleep(0.02)


def events(run_dir: Path) -> list[dict]:
    file = run_dir / "events.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def together(folder: Path, model: Path, **changes: object) -> Path:
    return make_run(folder, model, training__num_processes=2, training__batch_size=2, **changes)


@pytest.fixture(scope="module")
def whole(chat_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A run of two that nobody disturbs."""
    run = two(together(tmp_path_factory.mktemp("whole"), chat_llama, **LONG))
    assert run.code == 0, run.log
    return run


def test_two_processes_learn_as_one_with_twice_the_batch(whole: Outcome, chat_llama: Path, tmp_path: Path) -> None:
    one = attempt(make_run(tmp_path, chat_llama, training__batch_size=4, **LONG))
    assert whole.losses == pytest.approx(one.losses, abs=TOLERANCE)
    assert len(one.losses) == 30 and one.losses[-1] < 0.5 * one.losses[0]
    assert len(whole.said("finished")) == 1
    assert {each.name for each in whole.run_dir.iterdir()} == {each.name for each in tmp_path.iterdir()} | {"log.txt"}


def test_two_processes_learn_preferences_as_one_does(chat_llama: Path, tmp_path: Path) -> None:
    both = two(together(tmp_path / "two", chat_llama, **PAIRS))
    assert both.code == 0, both.log
    one = attempt(make_run(tmp_path / "one", chat_llama, training__batch_size=4, **PAIRS))
    assert both.losses == pytest.approx(one.losses, abs=TOLERANCE)
    assert len(one.losses) == 12 and one.losses[-1] < 0.8 * one.losses[0]


def test_both_stop_at_one_step_go_on_from_one_checkpoint_and_die_together(
    whole: Outcome, chat_llama: Path, tmp_path: Path
) -> None:
    first = together(tmp_path / "first", chat_llama, **LONG)
    process = start(first)
    wait_for_step(first, 2, process)
    os.killpg(process.pid, signal.SIGTERM)
    stopped = outcome(first, process)
    assert stopped.code == 143, stopped.log
    [kept] = stopped.said("checkpoint")
    assert kept["step"] == stopped.said("stopped")[0]["step"] == stopped.said("step")[-1]["step"] < 30

    second = together(tmp_path / "second", chat_llama, **LONG)
    given = json.loads((second / "run.json").read_text()) | {"checkpoints": [str(first / "checkpoints")], "attempt": 2}
    (second / "run.json").write_text(json.dumps(given))
    process = start(second)
    wait_for_step(second, kept["step"] + 2, process)
    _, other = sorted(ranks_of(process.pid))
    os.kill(other, signal.SIGKILL)
    killed = outcome(second, process)
    assert killed.code == -signal.SIGKILL, killed.log
    assert not killed.said("failed") and not killed.said("stopped") and not ranks_of(process.pid)
    assert killed.said("resumed")[0]["step"] == kept["step"]
    losses = stopped.losses + killed.losses
    assert losses == whole.losses[: len(losses)], "to the last digit: the same sums in the same order"


def ranks_of(group: int) -> list[int]:
    """Living processes of a group but its leader."""
    listed = subprocess.run(["ps", "-eo", "pid,pgid,stat"], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()[1:]]
    return [int(pid) for pid, pgid, stat in rows if int(pgid) == group != int(pid) and not stat.startswith("Z")]
