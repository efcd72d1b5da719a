"""Datasets that were converted before there were versions keep their origin and get a number."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tests.make import make_user

BEFORE, AFTER = ("datasets_app", "0002_telling_rows"), ("datasets_app", "0003_versions")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_conversions_become_versions() -> None:
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    try:
        old = migrated(BEFORE).get_model("datasets_app", "Dataset")
        owner = {"owner_id": make_user().pk, "file_name": "rows.jsonl"}
        first = old.objects.create(name="mine", **owner)
        other = old.objects.create(name="other", **owner)
        text = old.objects.create(name="mine as text", converted_from=first, conversion="text", **owner)
        again = old.objects.create(name="mine as text (2)", converted_from=first, conversion="text", **owner)
        orphan = old.objects.create(name="orphan", conversion="messages", **owner)
        new = migrated(AFTER).get_model("datasets_app", "Dataset")

        def told(row: Any) -> tuple[Any, ...]:
            dataset = new.objects.get(pk=row.pk)
            return dataset.version, dataset.original_id, dataset.parent_id, dataset.change

        to_text = {"kind": "conversion", "options": {"to": "text"}}
        assert told(first) == told(other) == (1, None, None, {})
        assert told(text) == (2, first.pk, first.pk, to_text)
        assert told(again) == (3, first.pk, first.pk, to_text)
        assert told(orphan) == (1, None, None, {"kind": "conversion", "options": {"to": "messages"}})
    finally:
        MigrationExecutor(connection).migrate(newest)


def migrated(to: tuple[str, str]) -> Any:
    executor = MigrationExecutor(connection)
    executor.migrate([to])
    return MigrationExecutor(connection).loader.project_state([to]).apps
