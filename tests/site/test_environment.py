"""Environment variables are typed, documented, and refused clearly when wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from finetune_site.environment import ROOT, Environment, WrongEnvironment, read_environment, variable, wanted
from finetune_site.environment_table import PAGE, with_table


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "FORETUNE_MAX_ACTIVE_JOBS",
            "many",
            "FORETUNE_MAX_ACTIVE_JOBS must be a whole number, at least 1; got 'many'.",
        ),
        ("FORETUNE_MAX_ACTIVE_JOBS", "0", "FORETUNE_MAX_ACTIVE_JOBS must be a whole number, at least 1; got '0'."),
        ("FORETUNE_DEBUG", "perhaps", "FORETUNE_DEBUG must be true or false; got 'perhaps'."),
        ("FORETUNE_TIME_ZONE", "Mars/Base", "FORETUNE_TIME_ZONE must be a time zone such as UTC or Europe/Berlin; "),
        ("FORETUNE_TIME_ZONE", "../../etc", "FORETUNE_TIME_ZONE must be a time zone such as UTC or Europe/Berlin; "),
        ("FORETUNE_MACHINE_NAME", "a b", "FORETUNE_MACHINE_NAME must be 1–80 letters, digits, dots, dashes or"),
        ("FORETUNE_API_RATE", "fast", "FORETUNE_API_RATE must be a number of calls by period, such as 600/min"),
        (
            "DATABASE_URL",
            "mysql://root:secret@host/db",
            "DATABASE_URL must be postgresql://user:password@host:5432/name",
        ),
        ("HF_HUB_CACHE", "/dev/null/hub", "HF_HUB_CACHE must be a folder that exists or can be made, or empty; got"),
        ("FORETUNE_HOEM", "x", "FORETUNE_HOEM is not a setting. Did you mean FORETUNE_HOME?"),
    ],
)
def test_a_wrong_variable_is_named_with_what_it_must_be(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(WrongEnvironment) as refused:
        read_environment()
    assert str(refused.value).startswith(message)


def test_a_variable_like_none_of_ours_is_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORETUNE_URL", "http://localhost:8000")
    read_environment()


def test_a_wrong_database_address_is_not_repeated_for_it_may_hold_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://root:secret@host/db")
    with pytest.raises(WrongEnvironment) as refused:
        read_environment()
    assert "secret" not in str(refused.value)


def test_all_wrong_variables_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORETUNE_TICK_SECONDS", "0")
    monkeypatch.setenv("FORETUNE_TOKEN_DAYS", "-1")
    with pytest.raises(WrongEnvironment) as refused:
        read_environment()
    assert len(str(refused.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("FORETUNE_ALLOWED_HOSTS", "tune.example.org, localhost", ("tune.example.org", "localhost")),
        ("HF_HUB_CACHE", "", None),
        ("FORETUNE_LOCAL_ROOTS", "/srv/a:/srv/b", (Path("/srv/a"), Path("/srv/b"))),
        ("FORETUNE_DEBUG", "on", True),
        ("FORETUNE_API_RATE", "5/sec", "5/sec"),
        ("DATABASE_URL", "postgresql://me@%2Frun%2Fpg/foretune", "postgresql://me@%2Frun%2Fpg/foretune"),
        ("HF_HUB_OFFLINE", "1", True),
        ("FORETUNE_MAX_ACTIVE_JOBS", "", 20),
    ],
)
def test_right_values_are_read(monkeypatch: pytest.MonkeyPatch, name: str, value: str, read: object) -> None:
    monkeypatch.setenv(name, value)
    environment = read_environment()
    [field] = [field for field in Environment.model_fields if variable(field) == name]
    assert getattr(environment, field) == read


def test_every_variable_says_what_it_does_and_what_it_must_be() -> None:
    assert len(Environment.model_fields) >= 20
    for field in Environment.model_fields.values():
        assert field.description
        assert wanted(field)


def test_the_table_in_the_documentation_is_the_one_of_today() -> None:
    assert with_table(PAGE.read_text()) == PAGE.read_text(), "run: make docs"


@pytest.mark.parametrize("command", ["check", "migrate", "serve", "demo"])
def test_commands_say_what_is_wrong_without_a_traceback(command: str) -> None:
    done = manage(command, FORETUNE_TOKEN_DAYS="soon")
    assert done.returncode == 1
    assert done.stderr == "FORETUNE_TOKEN_DAYS must be a whole number, at least 1, at most 3650; got 'soon'.\n"


def test_a_home_that_cannot_be_written_is_told_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = manage("serve", FORETUNE_HOME=str(tmp_path / "file" / "home"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"The portal cannot write to its home {tmp_path}/file/home: Not a directory.")


def test_a_full_disk_is_told_without_a_traceback() -> None:
    from finetune_site.home import unusable

    said = unusable(Path("var"), OSError(28, "No space left on device"))
    assert said.startswith("The portal cannot write to its home var: No space left on device. Free some space")
