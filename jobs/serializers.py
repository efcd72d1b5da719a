"""What the API takes and gives about jobs. What a request says is read and judged by the rulebook alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from django.db.models import TextChoices
from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.request import Request

from finetune_site.problems import problem

from .fields import Field, spec_fields
from .foresight import foresight
from .models import Job, OnUnrehearsed, OnWarning, Outcome, State, Trial
from .rulebook import Severity, read
from .rulebook.reading import shown
from .shown_state import silent_since
from .waiting import Outlook

POLICIES: dict[str, tuple[type[TextChoices], str, str]] = {
    "on_warning": (
        OnWarning,
        OnWarning.ACCEPT,
        "refuse: answer 400 when there are warnings, instead of taking them as confirmed; a job whose rehearsal "
        "brings new ones to light is refused then.",
    ),
    "on_unrehearsed": (
        OnUnrehearsed,
        OnUnrehearsed.REFUSE,
        "start: a job that cannot be rehearsed is started all the same, instead of being refused.",
    ),
}
"""What to do with a job when something is not known or not confirmed: stands beside its specification."""


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
    """A specification as it was sent, with what to do about warnings, and where no rehearsal is possible."""

    def get_fields(self) -> dict[str, Field]:
        policies: dict[str, Field] = {
            name: serializers.ChoiceField(choices=kind.choices, default=default, help_text=text)
            for name, (kind, default, text) in POLICIES.items()
        }
        return {**super().get_fields(), **policies}

    def run_validation(self, data: Any = empty) -> dict[str, Any]:
        """Never Django REST framework's own checks: they stop at the first kind of error and know no fixes."""
        if not isinstance(data, Mapping):
            raise problem(None, "request.no-object", f"A job specification is a JSON object; “{shown(data)}” was sent.")
        spec = {name: value for name, value in data.items() if name not in POLICIES}
        return {"choices": read(spec), **{name: policy(name, data) for name in POLICIES}}


def policy(name: str, data: Mapping[Any, Any]) -> str:
    kind, default, _ = POLICIES[name]
    given = data.get(name, default)
    if given not in kind.values:
        code, allowed = name.replace("_", "-"), " or ".join(kind.values)
        raise problem(name, f"request.{code}", f"{name} must be {allowed}; “{shown(given)}” was given.")
    return str(given)


class ProofSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    text = serializers.CharField()
    evidence = serializers.DictField()


class RehearsedRowSerializer(serializers.Serializer[Any]):
    line = serializers.IntegerField()
    why = serializers.CharField()
    tokens = serializers.IntegerField()
    trained_tokens = serializers.IntegerField()
    cut = serializers.BooleanField()


class RehearsalSerializer(serializers.Serializer[Any]):
    """What the real trainer did in two steps on a stand-in of the model."""

    state = serializers.ChoiceField(choices=["passed", "stopped", "not_rehearsed"])
    reason = serializers.CharField(help_text="Why it could not be rehearsed.")
    findings = FindingSerializer(many=True)
    proved = ProofSerializer(many=True)
    rows = RehearsedRowSerializer(many=True, help_text="The rows it was tried on, and why these.")
    seconds = serializers.DictField(child=serializers.FloatField())
    libraries = serializers.DictField(child=serializers.CharField())
    reference = serializers.CharField(help_text="By which the portal's log names an unknown failure.")
    log = serializers.CharField(help_text="The end of what the trainer printed, where that explains a failure.")


class ReviewSerializer(serializers.Serializer[Any]):
    """The answer of a check."""

    ok = serializers.BooleanField()
    findings = FindingSerializer(many=True)
    unasked = serializers.DictField(help_text="Rules that could not be asked, each with the facts it missed.")
    estimate = serializers.DictField()
    spec = JobSpec(help_text="The settings that would be used, defaults filled in.")
    rehearsal = RehearsalSerializer(allow_null=True, help_text="An earlier rehearsal of the same job, if there is one.")


class TrialSerializer(serializers.ModelSerializer[Trial]):
    """A rehearsal without a job: the report with all that is known then, and what the rehearsal told."""

    done = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField(help_text="Where to ask again.")
    answer = ReviewSerializer(
        allow_null=True, help_text="As of a check, with the rehearsal; null while it is under way."
    )

    class Meta:
        model = Trial
        fields = ["id", "done", "url", "answer"]
        read_only_fields = fields

    def get_done(self, trial: Trial) -> bool:
        return trial.answer is not None

    def get_url(self, trial: Trial) -> str:
        return absolute(self.context.get("request"), reverse("api:jobs-trial", args=[trial.pk]))


class ArtifactSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField()
    url = serializers.CharField()


class WaitSerializer(serializers.Serializer[Any]):
    """What a job in the queue waits for."""

    place = serializers.IntegerField(help_text="1 is next.")
    expected_start = serializers.DateTimeField(source="starts", allow_null=True, help_text="null: not known.")
    why = serializers.CharField(help_text="What it waits for, in plain words.")


class JobSerializer(serializers.ModelSerializer[Job]):
    """A job as its owner sees it."""

    owner = serializers.CharField(source="owner.username")
    state = serializers.ChoiceField(choices=State.choices)
    spec = serializers.SerializerMethodField()
    findings = FindingSerializer(many=True, help_text="The report it was accepted with.")
    metrics = serializers.DictField(help_text="The latest of each: loss, learning_rate, …")
    progress = serializers.DictField(help_text="What is being done now: text, fraction, eta_seconds.")
    error = FindingSerializer(allow_null=True)
    foresight = serializers.SerializerMethodField(
        help_text="Whether a check could have known before the start why it failed; empty: none knows. In lists null."
    )
    artifacts = serializers.SerializerMethodField()
    result = serializers.DictField(help_text="What came out: rows used, metrics, versions.")
    slots = serializers.ListField(child=serializers.IntegerField(), help_text="Numbers of the GPUs it holds.")
    not_before = serializers.DateTimeField(allow_null=True, help_text="Until when it waits after a fault.")
    silent_since = serializers.SerializerMethodField(
        help_text="When its training was last heard of, where that is longer ago than it should be; else null."
    )
    queue = serializers.SerializerMethodField(help_text="Where a queued job stands; null for any other.")
    rehearsal = serializers.SerializerMethodField(help_text="What was tried before it was queued; null before that.")

    class Meta:
        model = Job
        fields = [
            "id", "name", "owner", "state", "spec", "findings", "confirmed_at", "created_at", "started_at",
            "finished_at", "attempt", "machine", "slots", "processes", "priority", "queue", "not_before",
            "silent_since", "pause_requested", "cancel_requested", "retry_of", "continued_from", "step", "total_steps",
            "metrics", "progress", "error", "foresight", "artifacts", "result", "on_warning", "on_unrehearsed",
            "rehearsal",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(JobSpec)
    def get_spec(self, job: Job) -> dict[str, Any]:
        spec: dict[str, Any] = job.spec
        return spec

    def get_foresight(self, job: Job) -> str | None:
        return None if "facts" in job.get_deferred_fields() else foresight(job)

    @extend_schema_field(ArtifactSerializer(many=True))
    def get_artifacts(self, job: Job) -> list[dict[str, Any]]:
        return [artifact | {"url": self._url(job, artifact["name"])} for artifact in job.result.get("artifacts", [])]

    def _url(self, job: Job, name: str) -> str:
        return absolute(self.context.get("request"), reverse("api:jobs-artifact", args=[job.pk, name]))

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_silent_since(self, job: Job) -> datetime | None:
        return silent_since(job)

    @extend_schema_field(WaitSerializer(allow_null=True))
    def get_queue(self, job: Job) -> dict[str, Any] | None:
        """The queue is looked at once for all jobs of an answer."""
        wait = cast(dict[str, Any], self.context).setdefault("outlook", Outlook()).of(job)
        return WaitSerializer(wait).data if wait else None

    @extend_schema_field(RehearsalSerializer(allow_null=True))
    def get_rehearsal(self, job: Job) -> dict[str, Any] | None:
        document: dict[str, Any] | None = job.rehearsal.document if job.rehearsal else None
        return document


def absolute(request: Request | None, path: str) -> str:
    return request.build_absolute_uri(path) if request else path


class AttemptSerializer(serializers.Serializer[Any]):
    """One time that a job was on a machine."""

    number = serializers.IntegerField()
    machine = serializers.CharField()
    slots = serializers.ListField(child=serializers.IntegerField(), help_text="Numbers of the GPUs it held.")
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    outcome = serializers.ChoiceField(choices=Outcome.choices)
    why = serializers.CharField(help_text="Why it ended, in plain words, where it did not end well.")
    exit_code = serializers.IntegerField(allow_null=True)
    first_step = serializers.IntegerField(allow_null=True, help_text="The step it went on from; 0: the beginning.")
    last_step = serializers.IntegerField(allow_null=True, help_text="The last step it took.")
    has_log = serializers.BooleanField(help_text="…/log/?attempt= has it.")


class PriorityRequest(serializers.Serializer[Any]):
    priority = serializers.IntegerField(min_value=-10, max_value=10, help_text="Above 0 for staff only.")


class ContinueRequest(serializers.Serializer[Any]):
    epochs = serializers.FloatField(help_text="How many further ones; above 0.")
    on_warning = serializers.ChoiceField(
        choices=OnWarning.choices, default=OnWarning.ACCEPT, help_text=POLICIES["on_warning"][2]
    )


class EventsSerializer(serializers.Serializer[Any]):
    events = serializers.ListField(child=serializers.DictField())
    next = serializers.IntegerField(help_text="Pass it as `after` to get what came later.")


class MetricsSerializer(serializers.Serializer[Any]):
    points = serializers.ListField(child=serializers.DictField(), help_text="step, loss, learning_rate, eval_loss, …")
    next = serializers.IntegerField(
        allow_null=True, help_text="Pass it as `after_step` to get the points behind these; null when there are none."
    )


class LogSerializer(serializers.Serializer[Any]):
    log = serializers.CharField(help_text="The last lines.")
