"""The machines that train, for the programs of staff."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from . import nodes
from .machine_page import Machine, machines
from .models import Node


class MachineSerializer(serializers.Serializer[Machine]):
    id = serializers.IntegerField(source="node.pk")
    name = serializers.CharField(source="node.name")
    state = serializers.CharField(help_text="open: takes jobs; closed: starts none; away: not heard of for a minute.")
    closed = serializers.CharField(help_text="Why it starts nothing; empty when it takes jobs.")
    draining = serializers.BooleanField(source="node.draining", help_text="Staff have closed it for new jobs.")
    seen_at = serializers.DateTimeField(source="node.seen_at", allow_null=True)
    started_at = serializers.DateTimeField(source="node.started_at", allow_null=True)
    jobs = serializers.SerializerMethodField(help_text="Numbers of the jobs that train on it.")
    facts = serializers.JSONField(source="node.facts", help_text="GPUs, memory, disk, versions, models, queues.")

    def get_jobs(self, machine: Machine) -> list[int]:
        return [job.pk for job in machine.jobs]


class MachinesView(APIView):
    permission_classes = (IsAdminUser,)

    @extend_schema(responses=MachineSerializer(many=True), operation_id="machines_list")
    def get(self, request: Request) -> Response:
        """Staff: all machines that train, what they have and how they are."""
        return Response([MachineSerializer(machine).data for machine in machines()])


class MachineView(APIView):
    permission_classes = (IsAdminUser,)

    @extend_schema(request=None, responses=MachineSerializer)
    def post(self, request: Request, pk: int, wish: str) -> Response:
        """Staff: `close` lets a machine start nothing more, `open` lets it start jobs again."""
        node = get_object_or_404(Node, pk=pk)
        change: Any = {"close": nodes.close, "open": nodes.reopen}[wish]
        change(node)
        [told] = [machine for machine in machines() if machine.node.pk == node.pk]
        return Response(MachineSerializer(told).data)
