"""The one shape of every error the API answers: `{"message": …, "findings": […]}`."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.signals import got_request_exception
from django.http import Http404, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as rest_exception_handler
from rest_framework.views import set_rollback

from jobs.rulebook.findings import Finding, Severity

from .outages import outage

logger = logging.getLogger(__name__)


class Problem(exceptions.APIException):
    """An error answer with findings; raise it from any API view."""

    def __init__(self, message: str, findings: Sequence[Finding] = (), status: int = 400) -> None:
        super().__init__(message)
        self.message, self.findings, self.status_code = message, tuple(findings), status


def problem(field: str | None, code: str, message: str, status: int = 400) -> Problem:
    """A problem with one finding, which says the same as the message."""
    return Problem(message, (Finding(code, Severity.ERROR, field, message),), status)


def new_reference() -> str:
    """What a user reads out to whoever looks into the log."""
    return secrets.token_hex(4).upper()


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """Django REST framework's door for every exception of an API view."""
    if isinstance(error, RequestDataTooBig):
        error = problem(None, "request.too-large", "The request is larger than any that this call takes.", 413)
    elif isinstance(error, SuspiciousOperation):  # too many fields or files: Django's own words say which
        error = problem(None, "request.invalid", f"The portal could not read this request: {error}")
    response = rest_exception_handler(error, context)  # knows the status, the headers and the roll-back
    said = _as_problem(error) if response is not None else _unexpected(error, context)
    response = response or Response(status=said.status_code)
    response.data = body(said.message, said.findings)
    return response


def body(message: str, findings: Sequence[Finding]) -> dict[str, Any]:
    return {"message": message, "findings": [finding.as_dict() for finding in findings]}


def answer(said: Problem) -> JsonResponse:
    """The same shape for errors that happen outside the API's views, such as an unknown address."""
    return JsonResponse(body(said.message, said.findings), status=said.status_code)


def _as_problem(error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case exceptions.ValidationError():
            findings = tuple(_findings(error.get_full_details()))
            return Problem(" ".join(finding.message for finding in findings), findings)
        case Http404() | exceptions.NotFound():
            return problem(None, "request.not-found", "There is nothing at this address that you may see.", 404)
        case exceptions.Throttled():
            return problem(None, "request.throttled", _wait(getattr(error, "wait", None)), 429)
        case PermissionDenied():
            message = "Your account may not do this. Ask a member of staff."
            return problem(None, "request.permission-denied", message, 403)
        case exceptions.APIException():
            code = str(error.get_codes()).replace("_", "-")
            return problem(None, f"request.{code}", str(error.detail), error.status_code)
    raise TypeError(f"Django REST framework answered {error!r} on its own")


def _wait(seconds: float | None) -> str:
    pause = f"{seconds:.0f} s" if seconds else "a while"
    return f"Too many calls in a short time. Try again in {pause}."


def _findings(details: Any, path: str | None = None) -> Iterator[Finding]:
    """Serializer errors, however nested, as findings with dotted field names."""
    match details:
        case {"message": str(message), "code": str(code)}:
            yield Finding(f"request.{code.replace('_', '-')}", Severity.ERROR, path, message)
        case dict():
            for key, value in details.items():
                own = None if key == "non_field_errors" else key
                yield from _findings(value, ".".join(part for part in (path, own) if part) or None)
        case list():
            for value in details:
                yield from _findings(value, path)


def _unexpected(error: Exception, context: dict[str, Any]) -> Problem:
    """Ours to mend: the log holds everything, the caller gets the number to find it by."""
    request = context.get("request")
    set_rollback()
    if known := known_outage(error, getattr(request, "path", "?")):
        return known
    reference = new_reference()
    got_request_exception.send(sender=None, request=request)  # tests and error reporters listen here
    logger.error("Unexpected error %s at %s", reference, getattr(request, "path", "?"), exc_info=error)
    return unexpected(reference)


def known_outage(error: BaseException | None, path: str) -> Problem | None:
    """A full disk or a database that is away: nobody has to look for the reason, so no reference is given."""
    found = outage(error)
    if found is None:
        return None
    code, message, status = found
    logger.error("Outage %s at %s: %s", code, path, error)
    return problem(None, code, message, status)


def unexpected(reference: str) -> Problem:
    return problem(
        None,
        "site.unexpected",
        f"Something went wrong on our side. Tell whoever runs this portal the reference {reference}; "
        "the log has the rest.",
        500,
    )
