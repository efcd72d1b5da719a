"""The queue in the API: what runs and waits, and cancelling what one has waiting."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from .api import asking, whole_number
from .models import State
from .queue_lines import Line, queue_for
from .services import cancel_waiting

LINES, MOST_LINES = 100, 1000


class QueuedJobSerializer(serializers.Serializer[Any]):
    """A job as its owner and staff see it here."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    owner = serializers.CharField(source="owner.username")
    state = serializers.ChoiceField(choices=State.choices)
    priority = serializers.IntegerField()


class LineSerializer(serializers.Serializer[Line]):
    job = QueuedJobSerializer(allow_null=True, help_text="null: it is another person's.")
    is_own = serializers.BooleanField()
    gpus = serializers.IntegerField(help_text="How many it asks for.")
    since = serializers.DateTimeField(help_text="Since when it trains, or waits.")


class RunningSerializer(LineSerializer):
    machine = serializers.CharField()
    slots = serializers.ListField(child=serializers.IntegerField(), help_text="Numbers of the GPUs it holds.")
    seconds_left = serializers.IntegerField(allow_null=True, help_text="null: not known.")
    silent_since = serializers.DateTimeField(
        allow_null=True, help_text="When it was last heard of, where that is longer ago than it should be."
    )


class WaitingSerializer(LineSerializer):
    place = serializers.IntegerField(source="wait.place", help_text="1 is next.")
    expected_start = serializers.DateTimeField(source="wait.starts", allow_null=True, help_text="null: not known.")
    why = serializers.CharField(source="wait.why", help_text="What one's own job waits for; empty for others.")


class QueueSerializer(serializers.Serializer[Any]):
    closed = serializers.CharField(help_text="Why nothing starts at present; empty when jobs start.")
    free_places = serializers.IntegerField(help_text="Jobs that could start at once.")
    running = RunningSerializer(many=True)
    waiting = WaitingSerializer(many=True, help_text="The first ones of all, and every own one.")
    waiting_count = serializers.IntegerField(help_text="All that wait, also those not listed.")


class CancelledSerializer(serializers.Serializer[Any]):
    cancelled = serializers.ListField(child=serializers.IntegerField(), help_text="Ids of the jobs.")


class QueueView(APIView):
    @extend_schema(operation_id="queue", parameters=[OpenApiParameter("limit", int)], responses=QueueSerializer)
    def get(self, request: Request) -> Response:
        """What trains and what waits, the next one first. Other people's jobs come without names."""
        most = whole_number(request, "limit", default=LINES, least=0, most=MOST_LINES)
        return Response(QueueSerializer(queue_for(asking(request), most)).data)


class CancelWaitingView(APIView):
    @extend_schema(operation_id="queue_cancel", request=None, responses=CancelledSerializer)
    def post(self, request: Request) -> Response:
        """Cancel all of one's own jobs that have not started yet."""
        return Response({"cancelled": cancel_waiting(by=asking(request))})
