"""What deploy/ holds fits the commands and settings of today. That containers come up is for a machine with Docker."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import CommandError, call_command, load_command_class
from django.utils import timezone

from finetune_site.environment import ROOT, Environment, variable
from finetune_site.portal.presence import identity
from jobs.models import Node

DEPLOY = ROOT / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))


def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return read


def unit(path: Path) -> ConfigParser:
    read = ConfigParser(interpolation=None)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read(path)
    return read


def options(arguments: list[str]) -> dict[str, Any]:
    """What one of our commands makes of its arguments; argparse ends the test when it does not know one."""
    name, *rest = arguments
    return vars(load_command_class("finetune_site", name).create_parser("manage.py", name).parse_args(rest))


def commands() -> Iterator[list[str]]:
    for service in ("web", "node"):
        yield compose()["services"][service]["command"]
        health = compose()["services"][service]["healthcheck"]["test"]
        if "manage.py" in health:
            yield health[health.index("manage.py") + 1 :]
    for path in UNITS:
        yield shlex.split(unit(path)["Service"]["ExecStart"])[2:]
    yield yaml.safe_load(re.findall(r"^CMD (\[.*\])$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)[0])


@pytest.mark.parametrize("arguments", list(commands()), ids=" ".join)
def test_every_command_is_one_of_ours_with_arguments_that_it_takes(arguments: list[str]) -> None:
    assert options(arguments)


def test_every_variable_is_a_setting() -> None:
    known = {variable(name) for name in Environment.model_fields}
    used = [name for service in ("web", "node") for name in compose()["services"][service]["environment"]]
    assert len(used) >= 8
    assert set(used) <= known


def test_a_container_has_time_for_the_checkpoints_of_its_trainings() -> None:
    node = compose()["services"]["node"]
    assert int(node["stop_grace_period"].removesuffix("s")) >= options(node["command"])["drain"] + 30


def test_web_and_node_share_one_home_that_outlives_them() -> None:
    [volume] = {mount for service in ("web", "node") for mount in compose()["services"][service]["volumes"]}
    name, _, path = volume.partition(":")
    assert name in compose()["volumes"]
    assert f"FORETUNE_HOME={path}" in (DEPLOY / "Dockerfile").read_text()


def test_a_restart_of_the_node_leaves_its_trainings_alone() -> None:
    service = unit(DEPLOY / "foretune-node.service")["Service"]
    assert (service["KillMode"], service["OOMPolicy"], service["Type"]) == ("process", "continue", "notify")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_understands_every_line(path: Path, tmp_path: Path) -> None:
    assert len(UNITS) == 2
    here = re.sub(r"(?m)^(WorkingDirectory=).*|^(ExecStart=)\S+", r"\1\2/bin/true", path.read_text())
    (tmp_path / path.name).write_text(re.sub(r"(?m)^(User|WorkingDirectory)=.*\n", "", here))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / path.name)], capture_output=True, text=True
    )
    assert path.name not in done.stderr, done.stderr


@pytest.mark.django_db
def test_a_watcher_is_told_whether_the_node_of_this_home_lives(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match="was heard of for a minute"):
        call_command("node", "--check")
    Node.objects.create(name=settings.MACHINE_NAME, machine_id=identity(), seen_at=timezone.now())
    call_command("node", "--check")
    assert "lives." in capsys.readouterr().out
