"""Pages of lists that may have a million rows.

A database counts rows by looking at every one of them, and comes to a page far back by walking past all rows before
it. So a list for people is counted up to a limit and says "more than" beyond it; one for programs is counted wholly,
and remembers the count of a long list for a minute. Rows of a narrowed list, and rows far back, are first found by
number, which an index alone can tell, and only then read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property, partial
from hashlib import sha256
from typing import Any, cast

from django.core.cache import cache
from django.core.exceptions import EmptyResultSet
from django.core.paginator import EmptyPage, Page, PageNotAnInteger, Paginator
from django.db import connections
from django.db.models import QuerySet

MOST_COUNTED = 10_000
REMEMBERED = 60
"""Seconds that the count of a longer list is taken as it was."""
COSTLY = 20_000
"""What the planner of PostgreSQL thinks of reading some 50 MB of an index: 50 to 100 ms."""
FAR, VERY_FAR = 1_000, 300_000
MOST_A_PAGE, MOST_PAGES = 100, 10**9


def count_up_to(rows: QuerySet[Any], most: int = MOST_COUNTED) -> int:
    """How many there are; `most` + 1 stands for more."""
    return rows.order_by()[: most + 1].count()


def count_of(rows: QuerySet[Any]) -> int:
    """How many there are. Of a list beyond `MOST_COUNTED`: how many there were within the last minute.

    Where PostgreSQL expects that counting takes too long, it is what PostgreSQL expects to find.
    """
    few = count_up_to(rows)
    if few <= MOST_COUNTED:
        return few
    return cast(int, cache.get_or_set(_name_of(rows), partial(_count_of_many, rows.order_by()), REMEMBERED))


def _count_of_many(rows: QuerySet[Any]) -> int:
    if connections[rows.db].vendor != "postgresql" or not rows.query.where:
        return rows.count()
    [told] = json.loads(rows.values("pk").explain(format="json"))
    plan = told["Plan"]
    return max(MOST_COUNTED + 1, int(plan["Plan Rows"])) if plan["Total Cost"] > COSTLY else rows.count()


def _name_of(rows: QuerySet[Any]) -> str:
    try:
        asked = repr(rows.order_by().query.sql_with_params())
    except EmptyResultSet:
        asked = "nothing"
    return f"count-{rows.db}-{sha256(asked.encode()).hexdigest()}"


def rows_between(rows: QuerySet[Any], first: int, end: int) -> Sequence[Any]:
    """The rows from place `first` on, up to `end`."""
    if first < FAR and not rows.query.where:
        return list(rows[first:end])
    numbers = _numbers_between(rows.values_list("pk", flat=True), first, end)
    found = {row.pk: row for row in rows.order_by().filter(pk__in=numbers)}
    return [found[number] for number in numbers if number in found]


def _numbers_between(numbers: QuerySet[Any], first: int, end: int) -> list[Any]:
    """Those in the farther half of a very long list are counted from its end, as it is at this moment."""
    if first < VERY_FAR or numbers.query.where or (all_of_them := numbers.order_by().count()) > 2 * first:
        return list(numbers[first:end])
    end = min(end, all_of_them)
    return list(numbers.reverse()[all_of_them - end : all_of_them - first])[::-1] if first < end else []


class FarPage(Page[Any]):
    """Knows whether another page follows from having found a row of it, whatever was counted."""

    def __init__(self, rows: Sequence[Any], number: int, paginator: FarPages) -> None:
        super().__init__(rows[: paginator.per_page], number, paginator)
        self._goes_on = len(rows) > paginator.per_page

    def has_next(self) -> bool:
        return self._goes_on

    def next_page_number(self) -> int:
        return self.number + 1


class FarPages(Paginator[Any]):
    """Pages of a query, or of a list, with its whole count."""

    @cached_property
    def count(self) -> int:
        return count_of(self.object_list) if isinstance(self.object_list, QuerySet) else len(self.object_list)

    def page(self, number: Any) -> Any:
        if not isinstance(self.object_list, QuerySet):
            return super().page(number)
        number = self._number(number)
        first = (number - 1) * self.per_page
        rows = rows_between(self.object_list, first, first + self.per_page + 1)
        if not rows and number > 1:
            raise EmptyPage(f"There is no page {number}.")
        return FarPage(rows, number, self)

    def _number(self, given: Any) -> int:
        """At least 1; whether there is such a page is seen by what is on it."""
        if given == "last":
            return self.num_pages
        try:
            number = int(given)
        except (TypeError, ValueError):
            raise PageNotAnInteger("The number of a page is a whole number.") from None
        if not 1 <= number <= MOST_PAGES:
            raise EmptyPage("Pages are counted from 1.")
        return number


class CountedPages(Paginator[Any]):
    """Pages of the first `most` rows; what lies behind them is found by narrowing the list.

    `counted` is what `count_up_to` has told already, if it was asked before.
    """

    def __init__(
        self,
        object_list: Any,
        per_page: int,
        *args: Any,
        counted: int | None = None,
        most: int = MOST_COUNTED,
        **kwargs: Any,
    ) -> None:
        super().__init__(object_list, max(1, min(int(per_page), MOST_A_PAGE)), *args, **kwargs)
        self._counted, self._most = counted, most

    def page(self, number: Any) -> Any:
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        return Page(self._rows(first, min(first + self.per_page, self.count)), number, self)

    def _rows(self, first: int, end: int) -> Any:
        return rows_between(cast("QuerySet[Any]", self.object_list), first, end)

    @cached_property
    def _found(self) -> int:
        if self._counted is not None:
            return self._counted
        return count_up_to(cast("QuerySet[Any]", self.object_list), self._most)

    @cached_property
    def count(self) -> int:
        return min(self._found, self._most)

    @property
    def has_uncounted(self) -> bool:
        return self._found > self._most
