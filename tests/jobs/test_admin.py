"""Jobs in the admin can be looked at, and nothing else; rehearsals can be cleared as well."""

from __future__ import annotations

import pytest
from django.urls import reverse

from jobs.models import Job, Rehearsal, Trial
from jobs.services import claim
from tests.make import make_job, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client):
    client.force_login(make_user("admin", is_staff=True, is_superuser=True))
    return client


def test_jobs_are_listed_and_shown_with_their_transitions(admin):
    job = make_job(name="the bot")
    claim(job, "somewhere", [0])
    assert b"the bot" in admin.get(reverse("admin:jobs_job_changelist")).content
    assert b"Claimed by somewhere." in admin.get(reverse("admin:jobs_job_change", args=[job.pk])).content


@pytest.mark.parametrize("action", ["add", "delete"])
def test_jobs_are_neither_added_nor_deleted(admin, action):
    arguments = [make_job().pk] if action == "delete" else []
    assert admin.post(reverse(f"admin:jobs_job_{action}", args=arguments)).status_code == 403
    assert Job.objects.count() == len(arguments)


def test_jobs_are_not_changed(admin):
    job = make_job(name="the bot")
    assert admin.post(reverse("admin:jobs_job_change", args=[job.pk]), {"name": "mine"}).status_code == 403
    job.refresh_from_db()
    assert job.name == "the bot"


def test_there_are_no_actions(admin):
    make_job()
    assert b'name="action"' not in admin.get(reverse("admin:jobs_job_changelist")).content


DOCUMENT = {"state": "passed", "findings": [], "reason": "<script>"}


def make_rehearsal():
    return Rehearsal.objects.create(key="a" * 64, document=DOCUMENT, seconds=4.2)


def make_trial():
    return Trial.objects.create(owner=make_user(), choices={"model.name": "house/tiny"})


@pytest.mark.parametrize(("make", "kind"), [(make_rehearsal, "rehearsal"), (make_trial, "trial")])
def test_rehearsals_and_trials_are_looked_at_and_cleared_but_not_changed(admin, make, kind):
    row = make()
    assert admin.get(reverse(f"admin:jobs_{kind}_changelist")).status_code == 200
    page = admin.get(reverse(f"admin:jobs_{kind}_change", args=[row.pk])).content.decode()
    assert "<pre>" in page and '"<script>"' not in page
    assert admin.get(reverse(f"admin:jobs_{kind}_add")).status_code == 403
    assert admin.post(reverse(f"admin:jobs_{kind}_change", args=[row.pk]), {"key": "b"}).status_code == 403
    admin.post(reverse(f"admin:jobs_{kind}_delete", args=[row.pk]), {"post": "yes"})
    assert not type(row).objects.exists()


def test_a_cleared_rehearsal_leaves_its_jobs(admin):
    rehearsal = make_rehearsal()
    job = make_job(rehearsal=rehearsal)
    admin.post(reverse("admin:jobs_rehearsal_delete", args=[rehearsal.pk]), {"post": "yes"})
    job.refresh_from_db()
    assert job.rehearsal is None


def test_staff_who_are_no_superusers_clear_nothing(client):
    client.force_login(make_user("helper", is_staff=True))
    rehearsal = make_rehearsal()
    assert client.post(reverse("admin:jobs_rehearsal_delete", args=[rehearsal.pk]), {"post": "yes"}).status_code == 403
    assert Rehearsal.objects.exists()


def test_jobs_are_found_by_a_part_of_a_name_or_a_whole_user_name(admin):
    make_job(name="the bot")
    make_job(make_user("colleague"), name="the poet")
    listed = reverse("admin:jobs_job_changelist")
    assert [job.name for job in admin.get(listed, {"q": "BOT"}).context["cl"].result_list] == ["the bot"]
    assert [job.name for job in admin.get(listed, {"q": "colleague"}).context["cl"].result_list] == ["the poet"]
