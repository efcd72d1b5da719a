"""What the README tells people to type works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from finetune_site.environment import ROOT
from tests.site.test_serve import environment, portal
from tests.tiny_models import make_tiny_model

README = (ROOT / "README.md").read_text()
PREPARE = """
from django.contrib.auth.models import User
from models_catalog.models import BaseModel
User.objects.create_user("demo", password="correct horse battery")
BaseModel.objects.filter(name="HuggingFaceTB/SmolLM2-135M-Instruct").update(source="local", path="{path}")
"""


def the_loop() -> str:
    found = re.search(r"<!-- the loop.*?-->\n```bash\n(.*?)```", README, re.DOTALL)
    assert found
    return found.group(1)


@pytest.mark.slow
def test_the_curl_example_runs_the_whole_loop(tmp_path: Path) -> None:
    """On a tiny model under the same name, so that it is over in a minute."""
    home, work = tmp_path / "home", tmp_path / "work"
    work.mkdir()
    model = make_tiny_model(home / "models" / "tiny", "llama", chat=True)
    with portal(home) as (_, address):
        shell = [sys.executable, str(ROOT / "manage.py"), "shell", "-v0", "-c", PREPARE.format(path=model)]
        subprocess.run(shell, env=environment(home), check=True)
        given = {**os.environ, "PORTAL": address, "NAME": "demo", "PASSWORD": "correct horse battery"}
        done = subprocess.run(
            ["bash", "-c", the_loop()], cwd=work, env=given, capture_output=True, text=True, timeout=300
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (work / "state").read_text() == "succeeded\n"
    assert (work / "adapter_model.safetensors").stat().st_size > 1000


def test_every_file_the_readme_points_to_exists() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) >= 7
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_tree_in_the_readme_is_the_tree() -> None:
    folders = re.findall(r"^(\S+/) ", README, re.MULTILINE)
    assert len(folders) == 8
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_every_make_target_the_documents_name_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    named = {name for page in pages for name in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE)}
    assert {"demo", "serve", "test"} <= named
    assert named <= targets
