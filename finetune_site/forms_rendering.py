"""How a bound field meets the page: ids without dots, and htmx attributes written on the server.

A field called `dataset` or `name` would shadow a property of the form element, so nothing here relies on scripts
that reach through the form.
"""

from __future__ import annotations

from typing import Any

from django.forms import BoundField, CheckboxInput, RadioSelect, Select, Widget


class PageField(BoundField):
    """A bound field with Bootstrap's classes and references to its help and findings."""

    @property
    def auto_id(self) -> str:
        return "id_" + self.html_name.replace(".", "-")

    @property
    def help_id(self) -> str:
        return f"help-{self.auto_id}"

    @property
    def findings_id(self) -> str:
        return f"findings-{self.auto_id}"

    def build_widget_attrs(self, attrs: dict[str, Any], widget: Widget | None = None) -> dict[str, Any]:
        widget = widget or self.field.widget
        attrs = {**attrs, "class": css_class(widget), "aria-describedby": f"{self.help_id} {self.findings_id}"}
        return super().build_widget_attrs(attrs, widget)


def css_class(widget: Widget) -> str:
    if isinstance(widget, CheckboxInput | RadioSelect):
        return "form-check-input"
    return "form-select" if isinstance(widget, Select) else "form-control"
