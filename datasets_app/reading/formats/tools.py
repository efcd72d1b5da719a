"""Tools that a chat may call, and the calls, in the one way that chat templates understand.

A call's arguments are an object: templates write it as JSON themselves, and would write a text with its quotes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..problems import BadRow

Tool = dict[str, Any]


def tools_of(value: Any) -> list[Tool] | None:
    """The tools of a row: a list of descriptions, or that list as JSON. None where there are none."""
    listed = parsed(value)
    if not listed:
        return None
    if not isinstance(listed, list) or not all(isinstance(tool, dict) for tool in listed):
        raise BadRow("broken-tools", "'tools' is no list of descriptions of tools. Write such a list, or remove it.")
    return [_tool(tool) for tool in listed]


def _tool(tool: Tool) -> Tool:
    """Templates expect each description under `function`."""
    described = tool.get("function") if "function" in tool else tool
    if not isinstance(described, dict) or not isinstance(described.get("name"), str):
        raise BadRow("broken-tools", "'tools' describes a tool without a name. Name it, or remove it.")
    return tool if "function" in tool else {"type": "function", "function": tool}


def calls_of(value: Any, where: str) -> list[Tool]:
    """The calls of one turn: a list of them or a single one, or JSON of either."""
    listed = parsed(value)
    calls = listed if isinstance(listed, list) else [listed]
    if not all(isinstance(call, dict) for call in calls):
        raise BadRow("tool-calls", f"The tool calls of {where} are no list of calls. Write each as an object.")
    return [_call(call, where) for call in calls]


def _call(call: Tool, where: str) -> Tool:
    called = call.get("function", call)
    name = called.get("name") if isinstance(called, Mapping) else None
    if not isinstance(name, str) or not name:
        raise BadRow("tool-calls", f"{where[:1].upper()}{where[1:]} calls a tool without naming it. Add its name.")
    arguments = called.get("arguments", called.get("parameters"))
    arguments = parsed(arguments) or {}
    if not isinstance(arguments, dict):
        raise BadRow(
            "tool-calls",
            f"{where[:1].upper()}{where[1:]} calls {name[:40]} with arguments that are no JSON object. Correct them.",
        )
    known = {"id": call["id"]} if isinstance(call.get("id"), str) else {}
    return {**known, "type": "function", "function": {"name": name, "arguments": arguments}}


def parsed(value: Any) -> Any:
    """What JSON in a text stands for; a text that is no JSON stays one."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return value
