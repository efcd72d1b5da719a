"""What the API takes and gives about jobs. What a request says is read and judged by the rulebook alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty

from finetune_site.problems import problem

from .fields import Field, spec_fields
from .models import Job, State
from .rulebook import Severity, read
from .rulebook.reading import shown

ON_WARNING = ("accept", "refuse")


class FixSerializer(serializers.Serializer[Any]):
    label = serializers.CharField()  # type: ignore[assignment]  # a field called as an attribute of fields
    changes = serializers.DictField(help_text="Settings to change, by dotted name.")
    action = serializers.DictField(allow_null=True, help_text="What else the fix does, such as converting the data.")


class FindingSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    severity = serializers.ChoiceField(choices=[str(each) for each in Severity])
    field = serializers.CharField(allow_null=True, help_text="Dotted name of the setting.")
    message = serializers.CharField()
    fix = FixSerializer(allow_null=True, help_text="The fix to press first.")
    fixes = FixSerializer(many=True)


class ProblemSerializer(serializers.Serializer[Any]):
    """The shape of every error answer."""

    message = serializers.CharField()
    findings = FindingSerializer(many=True)


class JobSpec(serializers.Serializer[Any]):
    """The specification of a job."""

    def get_fields(self) -> dict[str, Field]:
        return spec_fields()


class JobRequest(JobSpec):
    """A specification as it was sent, with what to do about warnings."""

    def get_fields(self) -> dict[str, Field]:
        help_text = "refuse: answer 400 when there are warnings, instead of taking them as confirmed."
        on_warning = serializers.ChoiceField(choices=ON_WARNING, default="accept", help_text=help_text)
        return {**super().get_fields(), "on_warning": on_warning}

    def run_validation(self, data: Any = empty) -> dict[str, Any]:
        """Never Django REST framework's own checks: they stop at the first kind of error and know no fixes."""
        if not isinstance(data, Mapping):
            raise problem(None, "request.no-object", f"A job specification is a JSON object; “{shown(data)}” was sent.")
        on_warning = data.get("on_warning", "accept")
        if on_warning not in ON_WARNING:
            message = f"on_warning must be accept or refuse; “{shown(on_warning)}” was given."
            raise problem("on_warning", "request.on-warning", message)
        spec = {name: value for name, value in data.items() if name != "on_warning"}
        return {"choices": read(spec), "on_warning": on_warning}


class ReviewSerializer(serializers.Serializer[Any]):
    """The answer of a check."""

    ok = serializers.BooleanField()
    findings = FindingSerializer(many=True)
    unasked = serializers.DictField(help_text="Rules that could not be asked, each with the facts it missed.")
    estimate = serializers.DictField()
    spec = JobSpec(help_text="The settings that would be used, defaults filled in.")


class ArtifactSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField()
    url = serializers.CharField()


class JobSerializer(serializers.ModelSerializer[Job]):
    """A job as its owner sees it."""

    owner = serializers.CharField(source="owner.username")
    state = serializers.ChoiceField(choices=State.choices)
    spec = serializers.SerializerMethodField()
    findings = FindingSerializer(many=True, help_text="The report at submit.")
    metrics = serializers.DictField(help_text="The latest of each: loss, learning_rate, …")
    progress = serializers.DictField(help_text="What is being done now: text, fraction, eta_seconds.")
    error = FindingSerializer(allow_null=True)
    artifacts = serializers.SerializerMethodField()
    result = serializers.DictField(help_text="What came out: rows used, metrics, versions.")

    class Meta:
        model = Job
        fields = [
            "id", "name", "owner", "state", "spec", "findings", "confirmed_at", "created_at", "started_at",
            "finished_at", "attempt", "machine", "cancel_requested", "retry_of", "step", "total_steps", "metrics",
            "progress", "error", "artifacts", "result",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(JobSpec)
    def get_spec(self, job: Job) -> dict[str, Any]:
        spec: dict[str, Any] = job.spec
        return spec

    @extend_schema_field(ArtifactSerializer(many=True))
    def get_artifacts(self, job: Job) -> list[dict[str, Any]]:
        return [artifact | {"url": self._url(job, artifact["name"])} for artifact in job.result.get("artifacts", [])]

    def _url(self, job: Job, name: str) -> str:
        path = reverse("api:jobs-artifact", args=[job.pk, name])
        request = self.context.get("request")
        return request.build_absolute_uri(path) if request else path


class EventsSerializer(serializers.Serializer[Any]):
    events = serializers.ListField(child=serializers.DictField())
    next = serializers.IntegerField(help_text="Pass it as `after` to get what came later.")


class MetricsSerializer(serializers.Serializer[Any]):
    points = serializers.ListField(child=serializers.DictField(), help_text="step, loss, learning_rate, eval_loss, …")


class LogSerializer(serializers.Serializer[Any]):
    log = serializers.CharField(help_text="The last lines.")
