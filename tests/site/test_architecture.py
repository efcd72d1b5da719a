"""What import contracts cannot say about the shape of the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from finetune_site.environment import ROOT

APPS = ("finetune_site", "models_catalog", "datasets_app", "jobs")
PLAIN_PYTHON = (ROOT / "jobs" / "rulebook", ROOT / "jobs" / "trainer")


def django_modules() -> Iterator[Path]:
    for app in APPS:
        for module in (ROOT / app).rglob("*.py"):
            if "migrations" not in module.parts and not any(module.is_relative_to(part) for part in PLAIN_PYTHON):
                yield module


def imported_names(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").endswith(("rulebook", "rulebook.engine")):
            yield from (alias.name for alias in node.names)


def test_in_django_code_only_the_review_asks_the_rulebook() -> None:
    modules = list(django_modules())
    assert len(modules) > 80
    asking = [module.relative_to(ROOT).as_posix() for module in modules if "check" in imported_names(module)]
    assert asking == ["jobs/review.py"]


def test_no_function_is_longer_than_sixty_lines_and_no_file_than_five_hundred() -> None:
    files = [module for app in APPS for module in (ROOT / app).rglob("*.py") if "migrations" not in module.parts]
    long_files = [file.name for file in files if len(file.read_text().splitlines()) > 500]
    functions = [node for file in files for node in ast.walk(ast.parse(file.read_text())) if is_function(node)]
    long_functions = [node.name for node in functions if (node.end_lineno or 0) - node.lineno + 1 > 60]
    assert len(functions) > 500
    assert (long_files, long_functions) == ([], [])


def is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
