"""Pages of long lists: counted as far as needed, and read by number far back."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.core.paginator import EmptyPage, InvalidPage
from django.db import connection

from finetune_site import paging
from finetune_site.paging import CountedPages, FarPages, count_of, count_up_to, rows_between
from jobs.models import Job, State
from tests.make import make_client, make_job, make_user

pytestmark = pytest.mark.django_db
EVERY = [f"job {number:02}" for number in range(29, -1, -1)]


@pytest.fixture
def jobs(monkeypatch):
    """Thirty, which are many here: the last is the newest."""
    monkeypatch.setattr(paging, "MOST_COUNTED", 10)
    cache.clear()
    for number in range(30):
        make_job(name=f"job {number:02}")
    return Job.objects.all()


def names(rows):
    return [job.name for job in rows]


def test_a_count_goes_no_further_than_asked(jobs, django_assert_num_queries):
    with django_assert_num_queries(1) as asked:
        assert count_up_to(jobs, 10) == 11
    assert "LIMIT 11" in asked[0]["sql"]
    assert count_up_to(jobs, 40) == 30


def test_a_long_list_is_counted_wholly_once_a_minute(jobs, django_assert_num_queries):
    assert count_of(jobs) == 30
    make_job()
    with django_assert_num_queries(1):
        assert count_of(jobs) == 30, "remembered"
    assert count_of(jobs.filter(name="made")) == 1, "another question"
    assert count_of(jobs.filter(owner=make_user("stranger"))) == 0, "nothing of what others were told"


def test_a_short_list_is_always_counted(jobs):
    few = jobs.filter(name__lt="job 05")
    assert count_of(few) == 5
    make_job(name="job 00")
    assert count_of(few) == 6


def test_a_list_of_nothing_is_counted(jobs):
    assert count_of(jobs.none()) == 0


@pytest.mark.parametrize("far", [(1000, 1000), (0, 1000), (0, 0)], ids=["near", "far", "from the end"])
@pytest.mark.parametrize("first", [0, 7, 15, 16, 25, 28, 30, 99])
def test_the_same_rows_come_whichever_way_they_are_fetched(jobs, monkeypatch, far, first):
    monkeypatch.setattr(paging, "FAR", far[0])
    monkeypatch.setattr(paging, "VERY_FAR", far[1])
    assert names(rows_between(jobs, first, first + 5)) == EVERY[first : first + 5]


def test_rows_far_back_are_read_after_they_were_found_by_number(jobs, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(paging, "FAR", 0)
    with django_assert_num_queries(2) as asked:
        rows_between(jobs, 20, 25)
    assert '"jobs_job"."spec"' not in asked[0]["sql"]


def test_pages_of_a_call_have_the_whole_count_and_every_row(jobs):
    pages = FarPages(jobs, 7)
    assert (pages.count, pages.num_pages) == (30, 5)
    assert [name for number in pages.page_range for name in names(pages.page(number))] == EVERY
    with pytest.raises(EmptyPage):
        pages.page(6)


def test_a_page_follows_where_a_row_does_whatever_was_counted(jobs):
    pages = FarPages(jobs, 10)
    pages.count = 3  # an estimate, far too low
    assert [pages.page(number).has_next() for number in (1, 2, 3)] == [True, True, False]
    assert pages.page(1).next_page_number() == 2
    assert names(pages.page("last")) == EVERY[:10]


@pytest.mark.parametrize("number", ["x", None, 0, -1, 10**20])
def test_no_page_has_such_a_number(jobs, number):
    with pytest.raises(InvalidPage):
        FarPages(jobs, 10).page(number)


def test_an_empty_list_has_a_first_page(jobs):
    assert names(FarPages(jobs.none(), 10).page(1)) == []


@pytest.mark.postgres
def test_what_takes_too_long_to_count_is_estimated(jobs, monkeypatch):
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE jobs_job")
    monkeypatch.setattr(paging, "COSTLY", 0)
    assert count_of(jobs.filter(state=State.QUEUED)) == pytest.approx(30, abs=19)
    assert count_of(jobs) == 30, "without a filter it is always counted"


def test_pages_for_people_end_where_counting_does(jobs):
    pages = CountedPages(jobs, 4, most=10)
    assert (pages.count, pages.num_pages, pages.has_uncounted) == (10, 3, True)
    assert not CountedPages(jobs, 4, most=30).has_uncounted


def test_nobody_asks_for_a_page_of_everything(jobs):
    assert CountedPages(jobs, 10**9).per_page == paging.MOST_A_PAGE
    assert CountedPages(jobs, -1).per_page == 1


def test_a_call_follows_a_long_list_to_its_end(jobs, monkeypatch):
    monkeypatch.setattr(paging, "FAR", 10)
    monkeypatch.setattr(paging, "VERY_FAR", 15)
    client, found, address = make_client(make_user()), [], "/api/v1/jobs/?page_size=4&ordering=-name"
    while address:
        answer = client.get(address).json()
        found, address = found + [job["name"] for job in answer["results"]], answer["next"]
        assert answer["count"] == 30
    assert found == EVERY


@pytest.mark.parametrize("order", ["state", "-state"])
def test_equal_rows_of_a_call_come_newest_first(jobs, order):
    make_job(name="failed", state=State.FAILED)
    found = [job["name"] for job in make_client(make_user()).get(f"/api/v1/jobs/?ordering={order}").json()["results"]]
    expected = ["failed", *EVERY] if order == "state" else [*EVERY, "failed"]
    assert found == expected[:25]
