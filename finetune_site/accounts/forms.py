"""The form for a new API token."""

from __future__ import annotations

from django import forms
from django.conf import settings

from ..models import ApiToken


class TokenForm(forms.ModelForm[ApiToken]):
    """Named by what it is for, so that its owner dares to revoke it later."""

    days = forms.IntegerField(min_value=1, max_value=3650, label="Valid for (days)")

    class Meta:
        model = ApiToken
        fields = ("name",)

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came
        self.fields["days"].initial = settings.ENVIRONMENT.token_days
