"""The OpenAPI schema says of every setting what the settings table says."""

from __future__ import annotations

import pytest
from drf_spectacular.generators import SchemaGenerator

from jobs.rulebook import SETTINGS


@pytest.fixture(scope="module")
def schema():
    return SchemaGenerator().get_schema(request=None, public=True)


def properties(schema, path):
    """The schema of one setting in the request of POST /api/v1/jobs/."""
    content = schema["paths"]["/api/v1/jobs/"]["post"]["requestBody"]["content"]["application/json"]
    part = content["schema"]
    for name in path.split("."):
        part = resolved(schema, part)["properties"][name]
    return resolved(schema, part) | part


def resolved(schema, part):
    reference = part.get("$ref") or next((each["$ref"] for each in part.get("allOf", ())), None)
    return schema["components"]["schemas"][reference.rpartition("/")[2]] if reference else part


@pytest.mark.parametrize("path", SETTINGS)
def test_every_setting_is_described(schema, path):
    part = properties(schema, path)
    assert part["title"] == SETTINGS[path].label
    assert SETTINGS[path].help in part["description"]


def test_limits_choices_and_defaults_are_told(schema):
    assert properties(schema, "training.method")["enum"] == ["sft", "dpo"]
    epochs = properties(schema, "training.num_epochs")
    assert (epochs["minimum"], epochs["exclusiveMinimum"], epochs["default"]) == (0, True, 3)
    assert properties(schema, "lora.dropout")["maximum"] == 0.99
    assert properties(schema, "lora.target_modules")["items"] == {"type": "string"}
    assert properties(schema, "name")["maxLength"] == 120


def test_required_settings_are_required(schema):
    content = schema["paths"]["/api/v1/jobs/check/"]["post"]["requestBody"]["content"]["application/json"]
    request = resolved(schema, content["schema"])
    assert set(request["required"]) == {"model", "data", "training"}
    assert resolved(schema, request["properties"]["model"])["required"] == ["name"]


def test_every_call_of_the_contract_is_there(schema):
    paths = {path.removeprefix("/api/v1/jobs/") for path in schema["paths"] if path.startswith("/api/v1/jobs/")}
    about_one = {"", "events/", "metrics/", "log/", "artifacts/", "artifacts/{name}"}
    about_one |= {"attempts/", "cancel/", "pause/", "resume/", "priority/", "continue/", "retry/"}
    assert paths == {"", "check/", "rehearse/", "rehearse/{trial}/"} | {f"{{id}}/{path}" for path in about_one}
