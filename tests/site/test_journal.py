"""The journal of a run."""

from __future__ import annotations

from pathlib import Path

from finetune_site.journal import Journal


def test_each_note_is_one_line_with_time_and_process(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "7" / "journal.jsonl")
    journal.note("claimed", attempt=1, slots=[0, 1])
    Journal(journal.path).note("ended", outcome="crashed")
    first, second = journal.lines()
    assert (first["event"], first["attempt"], first["slots"]) == ("claimed", 1, [0, 1])
    assert first["pid"] > 0 and first["at"].endswith("+00:00")
    assert second["outcome"] == "crashed"


def test_a_torn_line_is_left_out(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.path.write_text('{"event": "cla\n')
    journal.note("ended")
    assert [line["event"] for line in journal.lines()] == ["ended"]


def test_a_journal_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    journal = Journal(tmp_path / "file" / "journal.jsonl")
    journal.note("claimed")
    assert journal.lines() == []
