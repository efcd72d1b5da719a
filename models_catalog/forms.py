"""Forms of the models pages: what to show of the list, and which folder to register."""

from __future__ import annotations

from collections.abc import Iterable

from django import forms

from finetune_site.forms_rendering import PageField
from jobs.rulebook.findings import Finding

from .knowledge import Knowledge
from .models import ModelFamily


class FilterForm(forms.Form):
    """What to show of the list; a value that makes no sense shows everything."""

    bound_field_class = PageField

    q = forms.CharField(required=False, label="Search", widget=forms.TextInput({"type": "search"}))
    family = forms.ModelChoiceField(
        ModelFamily.objects.all(), required=False, to_field_name="name", empty_label="All families"
    )
    chat = forms.ChoiceField(choices=[("", "All"), ("yes", "With chat template"), ("no", "Without")], required=False)
    cache = forms.ChoiceField(
        label="Files", choices=[("", "All"), ("cached", "Cached"), ("absent", "To download")], required=False
    )

    def narrowed(self, models: Iterable[Knowledge]) -> list[Knowledge]:
        self.is_valid()
        return [known for known in models if self._shows(known)]

    def _shows(self, known: Knowledge) -> bool:
        asked = self.cleaned_data
        text = f"{known.model.name} {known.family.name}".lower()
        return (
            all(word in text for word in asked.get("q", "").lower().split())
            and asked.get("family") in (None, known.family)
            and asked.get("chat", "") in ("", "yes" if known.supports_chat else "no")
            and asked.get("cache", "") in ("", "cached" if known.cache.at_hand else "absent")
        )


class RegisterForm(forms.Form):
    """A local folder to register. The service judges it; `show` puts its findings on the fields."""

    bound_field_class = PageField

    name = forms.CharField(max_length=200, help_text="How it is listed, such as house/our-model.")
    path = forms.CharField(max_length=500, label="Folder", help_text="Absolute path on this machine.")
    family = forms.ModelChoiceField(
        ModelFamily.objects.all(), required=False, to_field_name="name", empty_label="Find it out"
    )

    def show(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.add_error(finding.field if finding.field in self.fields else None, finding.message)
