"""`manage.py check_job SPEC.json`: the report as JSON, and an exit code for scripts."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command

from tests.make import make_dataset, make_model, make_spec, make_user

pytestmark = pytest.mark.django_db


def run(tmp_path, capsys, content, *options):
    file = tmp_path / "job.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    code = 0
    try:
        call_command("check_job", str(file), *options)
    except SystemExit as end:
        code = end.code
    return code, json.loads(capsys.readouterr().out)


def make_good_spec(**changes):
    make_model()
    return make_spec(**{"data.dataset": str(make_dataset().pk), **changes})


def test_a_job_in_order_exits_with_0(tmp_path, capsys):
    code, answer = run(tmp_path, capsys, make_good_spec())
    assert (code, answer["ok"]) == (0, True)


def test_a_blocked_job_exits_with_1(tmp_path, capsys):
    code, answer = run(tmp_path, capsys, make_good_spec(**{"training.num_epochs": -1}))
    assert (code, answer["ok"]) == (1, False)


def test_the_owner_of_the_dataset_is_meant_unless_somebody_is_named(tmp_path, capsys):
    make_user("stranger")
    spec = make_good_spec()
    assert run(tmp_path, capsys, spec)[0] == 0
    assert run(tmp_path, capsys, spec, "--user", "stranger")[0] == 1


def test_without_a_dataset_what_nobody_knows_is_unasked(tmp_path, capsys):
    make_model()
    _, answer = run(tmp_path, capsys, make_spec(**{"data.dataset": None}))
    assert any("active_jobs" in missing for missing in answer["unasked"].values())


@pytest.mark.parametrize("dataset", ["999", "no such", "../1"])
def test_a_dataset_that_does_not_exist_blocks(tmp_path, capsys, dataset):
    make_model()
    code, answer = run(tmp_path, capsys, make_spec(**{"data.dataset": dataset}))
    assert code == 1
    assert "dataset.not-found" in {finding["code"] for finding in answer["findings"]}


@pytest.mark.parametrize("content", ["{", "[]", "", "[" * 100_000])
def test_what_is_no_specification_is_a_clear_message(tmp_path, capsys, content):
    with pytest.raises(CommandError, match=r"job\.json") as refused:
        run(tmp_path, capsys, content)
    assert refused.value.returncode == 2


def test_a_file_that_is_not_there_is_a_clear_message(tmp_path):
    with pytest.raises(CommandError, match="No such file") as refused:
        call_command("check_job", str(tmp_path / "none.json"))
    assert refused.value.returncode == 2


def test_a_file_that_is_no_text_is_a_clear_message(tmp_path):
    (tmp_path / "job.json").write_bytes(b"\xff\xfe")
    with pytest.raises(CommandError, match="is not JSON"):
        call_command("check_job", str(tmp_path / "job.json"))


def test_an_unknown_account_is_a_clear_message(tmp_path, capsys):
    with pytest.raises(CommandError, match="no account named 'nobody'"):
        run(tmp_path, capsys, make_good_spec(), "--user", "nobody")
