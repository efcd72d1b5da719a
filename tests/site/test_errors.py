"""Every error of the API has one shape; every error page is plain and gives nothing away."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.core.exceptions import TooManyFieldsSent
from django.http import HttpRequest
from django.test import Client, RequestFactory
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.views import APIView

from finetune_site import error_pages
from finetune_site.problems import Problem, problem
from jobs.rulebook.findings import Finding, Severity
from tests.make import make_user

pytestmark = pytest.mark.django_db


class Inner(serializers.Serializer[Any]):
    num_epochs = serializers.IntegerField()


class Outer(serializers.Serializer[Any]):
    training = Inner()


class Echo(APIView):
    """Answers what it was sent, or raises what the test wants."""

    authentication_classes = ()
    permission_classes = ()
    error: Exception | None = None

    def post(self, request: Request) -> Response:
        if self.error:
            raise self.error
        return Response({"read": str(request.data)})


def post(content: str = "{}", error: Exception | None = None, content_type: str = "application/json") -> Response:
    request = APIRequestFactory().post("/api/v1/echo/", content, content_type=content_type)
    response: Response = Echo.as_view(error=error)(request)
    return response


def codes(response: Any) -> list[tuple[str, str | None]]:
    return [(finding["code"], finding["field"]) for finding in response.data["findings"]]


def test_a_problem_is_answered_with_its_status_and_findings() -> None:
    response = post(error=problem("model.name", "model.unknown", "No such model.", status=409))
    assert response.status_code == 409
    assert response.data == {
        "message": "No such model.",
        "findings": [
            Finding("model.unknown", Severity.ERROR, "model.name", "No such model.").as_dict(),
        ],
    }


def test_a_problem_may_have_many_findings_or_none() -> None:
    assert post(error=Problem("Nothing to say.")).data == {"message": "Nothing to say.", "findings": []}


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (exceptions.NotAuthenticated(), 403, "request.not-authenticated"),
        (exceptions.PermissionDenied(), 403, "request.permission-denied"),
        (exceptions.NotFound(), 404, "request.not-found"),
        (exceptions.MethodNotAllowed("PUT"), 405, "request.method-not-allowed"),
        (exceptions.Throttled(wait=7), 429, "request.throttled"),
    ],
)
def test_what_the_framework_refuses_has_the_same_shape(error: Exception, status: int, code: str) -> None:
    response = post(error=error)
    assert (response.status_code, codes(response)) == (status, [(code, None)])
    assert response.data["message"]


def test_a_throttled_answer_says_how_long_to_wait() -> None:
    response = post(error=exceptions.Throttled(wait=7))
    assert response.headers["Retry-After"] == "7"
    assert "7 s" in response.data["message"]


def test_serializer_errors_become_findings_with_dotted_names() -> None:
    outer = Outer(data={"training": {"num_epochs": "three"}})
    assert not outer.is_valid()
    response = post(error=exceptions.ValidationError(outer.errors))
    assert codes(response) == [("request.invalid", "training.num_epochs")]


def test_broken_json_is_a_finding() -> None:
    response = post("{not json")
    assert (response.status_code, codes(response)) == (400, [("request.parse-error", None)])


def test_json_nested_without_end_is_a_finding() -> None:
    response = post("[" * 200_000)
    assert (response.status_code, codes(response)) == (400, [("request.parse-error", None)])


def test_nan_is_read_so_that_its_field_can_complain() -> None:
    assert post('{"learning_rate": NaN}').data == {"read": "{'learning_rate': nan}"}


def test_a_form_where_json_is_wanted_is_a_finding() -> None:
    response = post("a=1", content_type="application/x-www-form-urlencoded")
    assert (response.status_code, codes(response)) == (415, [("request.unsupported-media-type", None)])


def test_our_own_mistakes_answer_a_reference_that_the_log_has_too(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        response = post(error=ZeroDivisionError("secret detail"))
    reference = response.data["message"].split("reference ")[1][:8]
    assert (response.status_code, codes(response)) == (500, [("site.unexpected", None)])
    assert "secret detail" not in str(response.data)
    assert reference in caplog.text
    assert "secret detail" in caplog.text


def test_a_call_without_login_is_401_and_says_how() -> None:
    response = APIClient().get("/api/v1/jobs/")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Token"
    assert codes(response) == [("request.not-authenticated", None)]


@pytest.mark.parametrize("token", ["Token", "Token a b", "Token wrong", "Token \xe9", "Token a\0b"])
def test_a_wrong_token_is_401(token: str) -> None:
    response = APIClient(raise_request_exception=False).get("/api/v1/jobs/", headers={"authorization": token})
    assert (response.status_code, codes(response)) == (401, [("request.authentication-failed", None)])


def test_unknown_addresses_of_the_api_are_json(client: Client) -> None:
    response = client.get("/api/v1/nothing/")
    assert response.status_code == 404
    assert response.json()["findings"][0]["code"] == "request.not-found"


def test_a_forgotten_slash_is_pointed_out_and_never_redirected(client: Client) -> None:
    response = client.post("/api/v1/jobs", {})
    assert response.status_code == 404
    assert "Did you mean /api/v1/jobs/ ?" in response.json()["message"]


def test_an_unknown_page_is_a_plain_404(client: Client) -> None:
    client.force_login(make_user())
    response = client.get("/nothing/")
    assert response.status_code == 404
    assert "There is nothing at this address" in response.content.decode()


def test_a_page_that_breaks_gives_a_reference_and_no_detail(caplog: pytest.LogCaptureFixture) -> None:
    request: HttpRequest = RequestFactory().get("/jobs/1/")
    request.user = make_user()
    try:
        raise ZeroDivisionError("secret detail")
    except ZeroDivisionError:
        response = error_pages.server_error(request)
    assert response.status_code == 500
    assert "secret detail" not in response.content.decode()
    assert "secret detail" in caplog.text


def test_a_form_without_its_csrf_token_is_told_so() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user())
    response = client.post("/logout/")
    assert response.status_code == 403
    assert "reload the page" in response.content.decode()


def test_what_django_refuses_to_read_is_the_callers_to_mend() -> None:
    response = post(error=TooManyFieldsSent("The number of GET/POST parameters exceeded 1000."))
    assert response.status_code == 400
    assert codes(response) == [("request.invalid", None)]
