"""The model folders of the cases, each made once and kept."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from .case import Case
from .lab import ROOT, Lab
from .records import MODELS, code

ORACLE = ROOT.parent / "shared" / "oracle"


class Folders:
    def __init__(self, kept: Path, lab: Lab) -> None:
        self.kept, self.lab, self.made_by = kept, lab, code(MODELS)[:6]

    def of(self, case: Case) -> Path:
        folder = self.kept / "models" / f"{case.model_key}-{self.made_by}"
        if not (folder / "config.json").exists():
            self._combine(folder, case) if case.source == "public" else self._make(folder, case)
        return folder

    def at_hand(self) -> Path:
        return self.of(Case("", "llama", "chat", b"", {}))

    def _make(self, folder: Path, case: Case) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        aside = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(aside, ignore_errors=True)
        asked = {"kind": case.kind, "tokenizer": case.tokenizer, "config": dict(case.config)}
        failed = self.lab.ask("make", folder=str(aside), **asked).get("error")
        if failed:
            raise RuntimeError(f"The model {folder.name} cannot be made: {failed}")
        aside.rename(folder)

    def _combine(self, folder: Path, case: Case) -> None:
        """A model of the public sample under one of its tokenizers."""
        made = self._sample()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made / "models" / case.kind, folder)
        for file in (made / "tok" / case.tokenizer).iterdir():
            shutil.copyfile(file, folder / file.name)
        if case.config:
            config = json.loads((folder / "config.json").read_text()) | dict(case.config)
            kept = {name: value for name, value in config.items() if value != "__dropped__"}
            (folder / "config.json").write_text(json.dumps(kept))

    def _sample(self) -> Path:
        """The sample's models, made by its own script."""
        made = self.kept / "sample"
        if not (made / "models_index.json").exists():
            print("Making the models of the public sample, once; that takes a minute or two.", flush=True)
            command = [sys.executable, str(ORACLE / "make_models.py"), "--out", str(made)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return made
