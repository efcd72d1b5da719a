"""Whatever is sent to the jobs API, the answer is JSON with findings, never a failure of ours."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.rulebook import SETTINGS
from tests.make import make_client, make_dataset, make_model, make_spec, make_user

pytestmark = pytest.mark.django_db
CHECK, CREATE = "/api/v1/jobs/check/", "/api/v1/jobs/"


def post_raw(body, *, url=CHECK, content_type="application/json"):
    return make_client(make_user()).generic("POST", url, body, content_type=content_type)


@pytest.mark.parametrize("url", [CHECK, CREATE])
@pytest.mark.parametrize(
    "body",
    [b"{", b"null", b"[]", b"7", b'"text"', b"\xff\xfe", b"{}}", b"[" * 100_000, b'{"a":' * 100_000, b"NaN"],
    ids=["broken", "null", "list", "number", "text", "no utf-8", "too much", "deep list", "deep object", "NaN"],
)
def test_a_body_that_is_no_specification_is_400(url, body):
    answer = post_raw(body, url=url)
    assert answer.status_code == 400
    assert answer.json()["message"] and answer.json()["findings"]


def test_an_empty_body_chooses_nothing():
    assert post_raw(b"").json()["ok"] is False
    assert post_raw(b"", url=CREATE).status_code == 400


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "nonsense"]
)
def test_another_content_type_is_415(content_type):
    answer = post_raw(b"{}", content_type=content_type)
    assert answer.status_code == 415 and answer.json()["findings"]


def test_a_body_beyond_any_specification_is_refused():
    answer = post_raw(b'{"name": "' + b"x" * 5_000_000 + b'"}')
    assert answer.status_code == 413 and answer.json()["findings"]


@pytest.mark.parametrize(
    "value",
    [
        "NaN",
        "-Infinity",
        "1e999",
        "9" * 400,
        "-0",
        '"\\u0000"',
        '"\\ud800"',
        '"\\u202e\\ufeff"',
        '"100%"',
        '"{model}"',
        "[[[]]]",
    ],
)
def test_odd_values_of_every_setting_are_answered(value):
    spec = "{" + ", ".join(f'"{path}": {value}' for path in SETTINGS) + "}"
    for url in (CHECK, CREATE):
        answer = post_raw(spec.encode(), url=url)
        assert answer.status_code in (200, 400), answer.content
        assert answer.json()["findings"]


@pytest.mark.parametrize("key", ['"\\ud800"', '"\\u0000"', '""', '"model."', '"."', '"__class__"', '"on_warning"'])
def test_odd_keys_are_answered(key):
    answer = post_raw(f'{{{key}: "x", "model": {{{key}: 1}}}}'.encode())
    assert answer.status_code in (200, 400) and answer.json()["findings"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from([*SETTINGS, "model", "data", "training", "lora", "on_warning"]) | st.text(max_size=8)


@given(changes=st.dictionaries(NAMES, VALUES, max_size=6))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_sent_is_answered_with_findings(changes):
    body = json.dumps({**make_spec(), **changes}).encode()
    for url in (CHECK, CREATE):
        answer = post_raw(body, url=url)
        assert answer.status_code in (200, 400), answer.content
        assert isinstance(answer.json()["findings"], list)


def test_text_that_is_not_ascii_goes_through_unchanged():
    make_model()
    spec = make_spec(**{"data.dataset": str(make_dataset().pk), "name": "日本語 ✓ 🎈"})
    assert make_client(make_user()).post(CREATE, spec).json()["name"] == "日本語 ✓ 🎈"
