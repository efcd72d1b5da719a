"""The jobs of the API: check, rehearse, submit, follow, stop, fetch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, cast

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.generics import GenericAPIView, get_object_or_404
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import UserRateThrottle
from rest_framework.viewsets import GenericViewSet

from finetune_site.problems import Problem, problem
from finetune_site.sending import FileRenderer

from . import services
from .artifact_files import artifact_path, send_file
from .button_views import HIGHEST, read_epochs, read_priority
from .filters import ApiFilter
from .metrics import curve, full_curve
from .models import Job, OnWarning, Trial
from .review import review
from .rulebook.reading import shown
from .run_folder import RunFolder
from .serializers import (
    ArtifactSerializer,
    AttemptSerializer,
    ContinueRequest,
    EventsSerializer,
    JobRequest,
    JobSerializer,
    LogSerializer,
    MetricsSerializer,
    PriorityRequest,
    ProblemSerializer,
    ReviewSerializer,
    TrialSerializer,
    policy,
)
from .shown_attempts import attempt_folder, shown_attempts
from .trials import try_out, wait_for

LOG_BYTES, MOST_LOG_BYTES = 64 << 10, 1 << 20
POINTS, MOST_POINTS = 1000, 10_000
MOST = 1 << 62
STEERED = {200: JobSerializer, 409: ProblemSerializer}
ATTEMPT = OpenApiParameter("attempt", int, description="Number of an attempt. Left out: the latest.")
WAITED_FOR = 25.0
"""Seconds that a call waits for its rehearsal: shorter than most clients and proxies have patience."""


class Rehearsing(UserRateThrottle):
    """Rehearsals take a processor for seconds each."""

    scope = "rehearse"


class OwnJobs(GenericAPIView[Job]):
    """Jobs that whoever asks may see; others are not found."""

    queryset = Job.objects.none()  # for the schema alone

    def get_queryset(self) -> QuerySet[Job]:
        return Job.objects.visible_to(asking(self.request)).select_related("owner", "rehearsal").defer("facts")


class JobViewSet(OwnJobs, ListModelMixin, RetrieveModelMixin, GenericViewSet[Job]):
    serializer_class = JobSerializer
    lookup_value_converter = "int"
    filterset_class = ApiFilter
    search_fields = ("name",)
    ordering_fields = ("created_at", "started_at", "finished_at", "name", "state")

    equal_rows: ClassVar = {
        "state": ["-created_at", "-pk"],
        "-state": ["-created_at", "-pk"],
        "-started_at": ["pk"],
        "-finished_at": ["pk"],
    }

    def get_queryset(self) -> QuerySet[Job]:
        """Facts are large, and only of interest for one job."""
        jobs = super().get_queryset().prefetch_related("places")
        return jobs if self.action == "list" else jobs.defer(None)

    @extend_schema(request=JobRequest, responses={200: ReviewSerializer, 400: ProblemSerializer})
    @action(detail=False, methods=["post"], pagination_class=None, filterset_class=None)
    def check(self, request: Request) -> Response:
        """Say everything that is known about a job before it starts. Stores nothing."""
        asked = read_request(request)
        return Response(review(asked["choices"], user=asking(request)).as_dict())

    @extend_schema(request=JobRequest, responses={201: JobSerializer, 400: ProblemSerializer})
    def create(self, request: Request) -> Response:
        """Accept a job: it is rehearsed, then queued, or refused with what the rehearsal found.

        Errors are answered with 400; warnings count as confirmed unless on_warning is refuse.
        """
        asked = read_request(request)
        try:
            job = services.submit(user=asking(request), confirmed=asked["on_warning"] == OnWarning.ACCEPT, **asked)
        except services.Refused as refused:
            raise Problem("The job was not started.", refused.report.findings) from refused
        return Response(self.get_serializer(job).data, status=201)

    @extend_schema(request=JobRequest, responses={200: TrialSerializer, 202: TrialSerializer, 400: ProblemSerializer})
    @action(detail=False, methods=["post"], pagination_class=None, filterset_class=None, throttle_classes=[Rehearsing])
    def rehearse(self, request: Request) -> Response:
        """Check a job and rehearse it, without starting one.

        Waits a while for the rehearsal; one that takes longer is answered with 202 and the `url` to ask again.
        """
        trial = try_out(read_request(request)["choices"], asking(request))
        wait_for(trial, WAITED_FOR)
        return self._told(trial)

    @extend_schema(request=None, responses={200: TrialSerializer, 202: TrialSerializer})
    @action(
        detail=False, url_path="rehearse/<int:trial>", url_name="trial", pagination_class=None, filterset_class=None
    )
    def trial(self, request: Request, trial: int) -> Response:
        """A rehearsal that was asked for in the last day: 202 while it is under way."""
        return self._told(get_object_or_404(Trial, pk=trial, owner=asking(request)))

    def _told(self, trial: Trial) -> Response:
        serializer = TrialSerializer(trial, context=self.get_serializer_context())
        return Response(serializer.data, status=202 if trial.answer is None else 200)

    @extend_schema(request=None, responses=STEERED)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: int) -> Response:
        """Stop a job for good: at once while it waits, within seconds when it runs. What it has learnt is kept."""
        return self._steer(services.cancel, "cancel")

    @extend_schema(request=None, responses=STEERED)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: int) -> Response:
        """Stop a job for a while: it saves a checkpoint, frees its GPUs and keeps its place in the queue."""
        return self._steer(services.pause, "pause")

    @extend_schema(request=None, responses=STEERED)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: int) -> Response:
        """Let a paused job wait again where it did; it goes on from its last checkpoint."""
        return self._steer(services.resume, "resume")

    @extend_schema(
        request=PriorityRequest, responses={200: JobSerializer, 403: ProblemSerializer, 409: ProblemSerializer}
    )
    @action(detail=True, methods=["post"])
    def priority(self, request: Request, pk: int) -> Response:
        """Let a job go behind others: from -10 to 0 for its owner, to 10 for staff. The higher goes first."""
        job, given = self.get_object(), said_in(request).get("priority")
        try:
            priority = read_priority(given)
        except ValueError:
            message = f"priority must be a whole number from {-HIGHEST} to {HIGHEST}; “{shown(given)}” was given."
            raise problem("priority", "request.priority", message) from None
        return self._steer(partial(services.set_priority, priority=priority), "put before or behind others", job)

    @extend_schema(
        request=ContinueRequest, responses={201: JobSerializer, 400: ProblemSerializer, 409: ProblemSerializer}
    )
    @action(detail=True, methods=["post"], url_path="continue", url_name="continue")
    def continue_(self, request: Request, pk: int) -> Response:
        """Train the weights that an ended job has left for some epochs more, as a new job with a new schedule.

        Warnings count as confirmed unless on_warning is refuse.
        """
        job, said = self.get_object(), said_in(request)
        given = said.get("epochs")
        try:
            epochs = read_epochs(given)
        except ValueError:
            message = f"epochs must be a number above 0; “{shown(given)}” was given."
            raise problem("epochs", "request.epochs", message) from None
        try:
            confirmed = policy("on_warning", said) == OnWarning.ACCEPT
            further = services.continue_(job=job, by=asking(request), epochs=epochs, confirmed=confirmed)
        except services.NotNow as refused:
            raise problem(None, "job.not-now", str(refused), status=409) from refused
        except services.Refused as refused:
            raise Problem("The job was not continued.", refused.report.findings) from refused
        return Response(self.get_serializer(further).data, status=201)

    def _steer(self, verb: Callable[..., Job], name: str, job: Job | None = None) -> Response:
        try:
            job = verb(job=job or self.get_object(), by=asking(self.request))
        except services.HasEnded as ended:
            message = f"This job has ended ({str(ended).lower()}), so there is nothing to {name}."
            raise problem(None, "job.has-ended", message, status=409) from ended
        except services.NotNow as refused:
            raise problem(None, "job.not-now", str(refused), status=409) from refused
        except services.NotAllowed as refused:
            message = "Only staff may let a job go before those of others: use a priority of 0 or less."
            raise problem("priority", "job.priority-not-allowed", message, status=403) from refused
        return Response(self.get_serializer(job).data)

    @extend_schema(request=None, responses={201: JobSerializer, 400: ProblemSerializer})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: int) -> Response:
        """Queue the same choices again, checked as they would be today."""
        try:
            job = services.retry(job=self.get_object(), by=asking(request))
        except services.Refused as refused:
            raise Problem("The job was not started again.", refused.report.findings) from refused
        return Response(self.get_serializer(job).data, status=201)

    @extend_schema(parameters=[OpenApiParameter("after", int), ATTEMPT], responses=EventsSerializer)
    @action(detail=True, pagination_class=None, filterset_class=None)
    def events(self, request: Request, pk: int) -> Response:
        """What the trainer of an attempt has said, in order; `next` continues where this answer ends."""
        after = whole_number(request, "after", default=0, least=0, most=MOST)
        events, cursor = self._folder().events(after)
        return Response({"events": events, "next": cursor})

    @extend_schema(
        parameters=[OpenApiParameter("max_points", int), OpenApiParameter("after_step", int)],
        responses=MetricsSerializer,
    )
    @action(detail=True, pagination_class=None, filterset_class=None)
    def metrics(self, request: Request, pk: int) -> Response:
        """The curves: one point for each logged step, thinned to `max_points` with every peak kept.

        With `after_step`, all points behind that step instead, `max_points` at once; `next` continues.
        """
        most = whole_number(request, "max_points", default=POINTS, least=2, most=MOST_POINTS)
        job = self.get_object()
        if "after_step" not in request.query_params:
            return Response({"points": curve(job, most), "next": None})
        after = whole_number(request, "after_step", default=0, least=-1, most=MOST)
        points, following = full_curve(job, after=after, most_points=most)
        return Response({"points": points, "next": following})

    @extend_schema(parameters=[OpenApiParameter("bytes", int), ATTEMPT], responses=LogSerializer)
    @action(detail=True, pagination_class=None, filterset_class=None)
    def log(self, request: Request, pk: int) -> Response:
        """The end of the trainer's log, of the latest attempt unless `attempt` names another."""
        most = whole_number(request, "bytes", default=LOG_BYTES, least=1, most=MOST_LOG_BYTES)
        return Response({"log": self._folder().log_tail(most)})

    @extend_schema(responses=AttemptSerializer(many=True))
    @action(detail=True, pagination_class=None, filterset_class=None)
    def attempts(self, request: Request, pk: int) -> Response:
        """Each time the job was on a machine: where, from which step to which, and why it ended."""
        return Response(AttemptSerializer(shown_attempts(self.get_object()), many=True).data)

    def _folder(self) -> RunFolder:
        return attempt_folder(self.get_object(), self.request.query_params.get("attempt"))

    @extend_schema(responses=ArtifactSerializer(many=True))
    @action(detail=True, pagination_class=None, filterset_class=None)
    def artifacts(self, request: Request, pk: int) -> Response:
        """What came out, with where to fetch it."""
        return Response(self.get_serializer(self.get_object()).data["artifacts"])


class ArtifactView(OwnJobs):
    renderer_classes = (JSONRenderer, FileRenderer)
    filter_backends = ()
    pagination_class = None

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, pk: int, name: str) -> StreamingHttpResponse:
        """One file of a job."""
        return send_file(request._request, artifact_path(self.get_object(), name))


def asking(request: Request) -> User:
    return cast(User, request.user)


def read_request(request: Request) -> dict[str, Any]:
    asked = JobRequest(data=request.data)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def said_in(request: Request) -> Mapping[str, Any]:
    """The body of a small request; what is no JSON object says nothing."""
    return request.data if isinstance(request.data, Mapping) else {}


def whole_number(request: Request, name: str, *, default: int, least: int, most: int) -> int:
    """A number of the query string; one beyond the limits is taken as the limit."""
    given = request.query_params.get(name, str(default))
    try:
        return max(least, min(most, int(given)))
    except ValueError:
        raise problem(name, "request.number", f"{name} must be a whole number; “{given[:60]}” was given.") from None
