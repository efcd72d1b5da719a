"""The table of environment variables in docs/operations.md: `python -m finetune_site.environment_table` renews it."""

from __future__ import annotations

from pathlib import Path

from pydantic.fields import FieldInfo

from .environment import ROOT, Environment, variable, wanted

PAGE = ROOT / "docs" / "operations.md"
BEGIN, END = "<!-- environment: made by finetune_site.environment_table -->", "<!-- /environment -->"


def table() -> str:
    """Every variable as a row of Markdown."""
    lines = ["| Variable | What it does | Must be | Default |", "|---|---|---|---|"]
    for name, field in Environment.model_fields.items():
        lines.append(f"| `{variable(name)}` | {field.description} | {wanted(field)} | {_default(field)} |")
    return "\n".join(lines)


def with_table(page: str) -> str:
    """The page with the table of today between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def _default(field: FieldInfo) -> str:
    if field.default_factory:
        return "the host name"
    match field.default:
        case bool(value):
            return f"`{str(value).lower()}`"
        case Path() as path:
            return f"`{path.relative_to(ROOT)}/` in the checkout"
        case None | () | "":
            return "empty"
        case tuple(parts):
            return f"`{','.join(parts)}`"
        case value:
            return f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
