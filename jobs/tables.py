"""The history of jobs as a table."""

from __future__ import annotations

from typing import Any

import django_tables2 as tables
import humanize
from django.db.models import Prefetch, QuerySet
from django_tables2.rows import BoundRows

from datasets_app.models import Dataset
from finetune_site.paging import MOST_COUNTED, CountedPages, count_up_to, rows_between
from finetune_site.people import PersonRequest

from .models import Job

UNREAD = ("facts", "findings", "error", "result")
"""Large columns that the table shows nothing of."""


class TablePages(CountedPages):
    """The same for the rows of a table, which hold its query."""

    object_list: BoundRows

    def _rows(self, first: int, end: int) -> BoundRows:
        rows = self.object_list
        return BoundRows(rows_between(rows.data.data, first, end), rows.table)


class JobTable(tables.Table):  # type: ignore[misc]  # the library is untyped
    """Columns a person compares runs by."""

    name = tables.TemplateColumn(template_name="jobs/_name_cell.html", verbose_name="Job", order_by=("name", "-pk"))
    owner = tables.Column()
    state = tables.TemplateColumn(template_name="jobs/_state_cell.html", order_by=("state", "-created_at", "-pk"))
    model = tables.Column(accessor="spec__model__name", order_by="base_model__name", verbose_name="Model")
    method = tables.Column(accessor="spec__training__method", order_by="method", verbose_name="Method")
    dataset = tables.Column(order_by="dataset__name", empty_values=())
    loss = tables.Column(accessor="metrics__loss", orderable=False, verbose_name="Loss")
    took = tables.Column(empty_values=(), orderable=False)
    created_at = tables.Column(verbose_name="Created", order_by=("created_at", "pk"))

    class Meta:
        model = Job
        fields = ("name", "owner", "state", "model", "method", "dataset", "loss", "took", "created_at")
        attrs = {"class": "table table-hover"}
        order_by = "-created_at"
        template_name = "jobs/_table.html"

    SORTED_WHEN_SHORT = ("owner", "model", "method", "dataset")
    """Columns that no index orders: they can be sorted by once the list is narrowed."""

    @classmethod
    def of(cls, jobs: QuerySet[Job], request: PersonRequest, most: int = MOST_COUNTED) -> JobTable:
        """The page of the table that the request asks for, out of the first `most` jobs."""
        names = Prefetch("dataset", Dataset.objects.only("name"))
        table = cls(
            jobs.select_related("owner").prefetch_related(names).defer(*UNREAD),
            exclude=() if request.user.is_staff else ("owner",),
        )
        counted = count_up_to(jobs, most)
        if counted > most:
            for column in table.columns:
                if column.name in cls.SORTED_WHEN_SHORT:
                    column.column.orderable = False
        paging = {"per_page": 20, "paginator_class": TablePages, "counted": counted, "most": most}
        tables.RequestConfig(request, paginate=paging).configure(table)
        return table

    def render_model(self, value: str) -> str:
        return value.rpartition("/")[2]

    def render_method(self, value: str, record: Job) -> str:
        adapter = record.spec.get("lora", {}).get("enabled", True)
        return f"{value.upper()} · {'LoRA' if adapter else 'full'}"

    def render_dataset(self, record: Job) -> str:
        return record.dataset.name if record.dataset else "deleted"

    def render_loss(self, value: float) -> str:
        return f"{value:.3f}"

    def render_took(self, record: Job) -> str:
        if not (record.started_at and record.finished_at):
            return "—"
        return duration((record.finished_at - record.started_at).total_seconds())

    def render_created_at(self, value: Any) -> str:
        return humanize.naturaltime(value)


def duration(seconds: float) -> str:
    """Such as “2 h 5 min”, “3 min 20 s”, “48 s”."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
