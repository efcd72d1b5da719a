"""Jobs in the admin can be looked at, and nothing else."""

from __future__ import annotations

import pytest
from django.urls import reverse

from jobs.models import Job
from jobs.services import claim
from tests.make import make_job, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client):
    client.force_login(make_user("admin", is_staff=True, is_superuser=True))
    return client


def test_jobs_are_listed_and_shown_with_their_transitions(admin):
    job = make_job(name="the bot")
    claim("somewhere")
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
