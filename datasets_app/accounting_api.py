"""The account of a dataset's rows in the API: asked for, watched and read."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.models import User
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from finetune_site.problems import problem

from .accounting import steps_of
from .accounting_question import Question
from .models import Accounting, Dataset

PARAMETERS = [
    OpenApiParameter("model", str, required=True, description="A model of the catalogue."),
    OpenApiParameter("revision", str),
    OpenApiParameter("max_length", int, description="Tokens kept of each row."),
    OpenApiParameter("method", str, enum=["sft", "dpo"]),
    OpenApiParameter("assistant_only_loss", bool),
    OpenApiParameter("completion_only_loss", bool),
]


class AccountingSerializer(serializers.Serializer[Any]):
    """`summary` is there once `state` is done; its counts and lengths are in tokens and rows."""

    state = serializers.ChoiceField(choices=Accounting.State.choices)
    rows = serializers.IntegerField(help_text="Rows to account for.")
    rows_done = serializers.IntegerField()
    plan = serializers.JSONField(help_text="The settings that matter.")
    steps = serializers.IntegerField(allow_null=True, help_text="Optimizer steps with usual settings for the others.")
    summary = serializers.JSONField(allow_null=True)
    error = serializers.JSONField(allow_null=True, help_text="A finding, if it failed.")


class DatasetAccounting(APIView):
    """One's own datasets; those of others are not found."""

    @extend_schema(
        operation_id="datasets_accounting_read",
        parameters=PARAMETERS,
        responses={200: AccountingSerializer, 202: AccountingSerializer, 404: OpenApiTypes.OBJECT},
    )
    def get(self, request: Request, pk: int) -> Response:
        """The account, 202 while it is made, 404 when nobody has asked for it."""
        question = _question(request, pk)
        if question.account is None:
            message = "These rows have not been accounted for with this model and these settings. POST to this address."
            raise problem("model", "accounting.not-asked", message, 404)
        return _answer(question, question.account)

    @extend_schema(
        operation_id="datasets_accounting_begin",
        parameters=PARAMETERS,
        request=None,
        responses={200: AccountingSerializer, 202: AccountingSerializer},
    )
    def post(self, request: Request, pk: int) -> Response:
        """Have the rows accounted for, unless that was done: 202 while it is made."""
        question = _question(request, pk)
        return _answer(question, question.begin())


def _question(request: Request, pk: int) -> Question:
    dataset = get_object_or_404(Dataset.objects.visible_to(cast(User, request.user)), pk=pk)
    return Question.of(dataset, request.query_params.dict())


def _answer(question: Question, account: Accounting) -> Response:
    row = {
        "state": account.state,
        "rows": question.dataset.usable_rows,
        "rows_done": account.rows_done,
        "plan": account.plan,
        "steps": steps_of(account, question.settings) if account.summary else None,
        "summary": account.summary,
        "error": account.error,
    }
    code = status.HTTP_202_ACCEPTED if account.is_under_way else status.HTTP_200_OK
    return Response(AccountingSerializer(row).data, status=code)
