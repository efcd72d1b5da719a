"""What the description of the API says of every call at once."""

from __future__ import annotations

from typing import Any

PROBLEM = {
    "description": "Any error: what is wrong, and with which fields.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def add_errors(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Every call may be refused, and all refusals have one shape."""
    for calls in result["paths"].values():
        for call in calls.values():
            call["responses"].setdefault("default", PROBLEM)
    return result
