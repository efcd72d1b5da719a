"""The page of the machines that train, for staff: what they have, how they are, and closing them for new jobs."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from finetune_site.people import PersonRequest

from . import nodes
from .machine_page import machines
from .models import Node


@require_safe
def machine_list(request: PersonRequest) -> HttpResponse:
    if not request.user.is_staff:
        raise PermissionDenied
    return render(request, "machines/list.html", {"machines": machines()})


@require_POST
def close(request: PersonRequest, pk: int) -> HttpResponse:
    """Let it start nothing more."""
    node = _machine(request, pk)
    nodes.close(node)
    messages.success(request, f"{node.name} starts no more jobs. Those that run go on; the others wait.")
    return redirect("machines:list")


@require_POST
def open_(request: PersonRequest, pk: int) -> HttpResponse:
    """Let it start jobs again."""
    node = _machine(request, pk)
    nodes.reopen(node)
    messages.success(request, f"{node.name} takes jobs again.")
    return redirect("machines:list")


def _machine(request: PersonRequest, pk: int) -> Node:
    if not request.user.is_staff:
        raise PermissionDenied
    return get_object_or_404(Node, pk=pk)
