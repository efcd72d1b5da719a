"""What a person or a program sees when no view of ours answers: 400, 403, 404, 500."""

from __future__ import annotations

import logging
import sys

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt

from .problems import Problem, answer, known_outage, new_reference, problem, unexpected

logger = logging.getLogger(__name__)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return show(request, problem(None, "request.invalid", "The portal could not read this request."))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    message = "Your account may not open this page. Ask a member of staff."
    return show(request, problem(None, "request.permission-denied", message, 403))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    message = "This form was open for too long, or came from another site. Go back, reload the page and send it again."
    logger.warning("CSRF check failed at %s: %s", request.path, reason)
    return show(request, problem(None, "request.csrf", message, 403))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    message = "There is nothing at this address, or it is not yours to see."
    return show(request, problem(None, "request.not-found", message, 404))


def server_error(request: HttpRequest) -> HttpResponse:
    """Runs while the exception is being handled, so the log gets its traceback."""
    if known := known_outage(sys.exc_info()[1], request.path):
        return show(request, known)
    reference = new_reference()
    logger.exception("Unexpected error %s at %s", reference, request.path)
    return show(request, unexpected(reference))


@csrf_exempt
@login_not_required
def unknown_address(request: HttpRequest) -> HttpResponse:
    """Everything under /api/ that is no call: JSON, for programs."""
    message = f"There is no call {request.path}. /api/schema/ lists them all."
    if _exists(f"{request.path}/"):
        message = f"There is no call {request.path}. Did you mean {request.path}/ ?"
    return answer(problem(None, "request.not-found", message, 404))


def _exists(path: str) -> bool:
    try:
        return resolve(path).func is not unknown_address
    except Resolver404:
        return False


def show(request: HttpRequest, said: Problem) -> HttpResponse:
    """JSON for programs, a page for people."""
    if request.path.startswith("/api/"):
        return answer(said)
    page = {"message": said.message, "status": said.status_code}
    return render(request, "site/error.html", page, status=said.status_code)
