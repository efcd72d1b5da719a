"""The folder of an attempt: events, log, result, and the lock."""

from __future__ import annotations

import os

from jobs.run_folder import MOST_BYTES, RunFolder, hold


def make_folder(tmp_path, events: bytes = b""):
    folder = RunFolder(tmp_path)
    folder.events_file.write_bytes(events)
    return folder


def test_an_attempt_that_has_not_begun_has_nothing(tmp_path):
    folder = RunFolder(tmp_path / "nowhere")
    assert (folder.events(), folder.result(), folder.log_tail(10)) == (([], 0), None, "")


def test_events_are_read_on_from_where_one_stopped(tmp_path):
    folder = make_folder(tmp_path, b'{"n": 1}\n{"n": 2}\n')
    events, cursor = folder.events()
    make_folder(tmp_path, b'{"n": 1}\n{"n": 2}\n{"n": 3}\n')
    assert [event["n"] for event in events] == [1, 2]
    assert folder.events(cursor) == ([{"n": 3}], cursor + 9)


def test_a_line_that_is_still_being_written_waits(tmp_path):
    folder = make_folder(tmp_path, b'{"n": 1}\n{"n":')
    assert folder.events() == ([{"n": 1}], 9)


def test_a_cursor_from_anywhere_does_no_harm(tmp_path):
    folder = make_folder(tmp_path, b'{"n": 1}\n{"n": 2}\n')
    assert folder.events(4)[0] == [{"n": 2}]
    assert folder.events(10_000) == ([], 10_000)


def test_what_is_no_object_is_left_out(tmp_path):
    assert make_folder(tmp_path, b'7\n\xff\n[]\n{"n": 1}\n').events()[0] == [{"n": 1}]


def test_nan_becomes_null(tmp_path):
    assert make_folder(tmp_path, b'{"loss": NaN}\n').events()[0] == [{"loss": None}]


def test_more_than_a_megabyte_of_events_is_read_in_pieces(tmp_path):
    line = b'{"text": "' + b"x" * 1000 + b'"}\n'
    folder = make_folder(tmp_path, line * 2000)
    assert len(folder.events()[0]) == MOST_BYTES // len(line)
    assert len(list(folder.all_events())) == 2000


def test_the_log_is_read_from_its_end(tmp_path):
    folder = RunFolder(tmp_path)
    folder.log_file.write_text("first\nlast\n")
    assert (folder.log_tail(5), folder.log_tail(500)) == ("last\n", "first\nlast\n")


def test_only_one_holds_the_lock(tmp_path):
    folder = RunFolder(tmp_path / "new")
    held = hold(folder)
    assert held is not None
    assert hold(folder) is None
    os.close(held)
    again = hold(folder)
    assert again is not None
    os.close(again)
