"""Sending what a job made: one file, or all of them as a zip made on the way."""

from __future__ import annotations

from pathlib import Path

from django.http import Http404, HttpRequest, StreamingHttpResponse
from zipstream import ZipStream

from finetune_site.sending import chunks_of, send

from .models import Job
from .run_folder import RunFolder


def artifact_path(job: Job, name: str) -> Path:
    """Where a file of the job's result lies. Only names the result lists are looked for."""
    listed = [each["name"] for each in job.result.get("artifacts", [])]
    path = RunFolder(job.run_dir).output / name
    if name not in listed or not path.is_file():
        raise Http404
    return path


def send_file(request: HttpRequest, path: Path) -> StreamingHttpResponse:
    return send(request, chunks_of(path), path.name, size=path.stat().st_size)


def send_all(request: HttpRequest, job: Job) -> StreamingHttpResponse:
    """All artifacts in one zip, stored without compression, so that its length is known beforehand."""
    archive = ZipStream(sized=True)
    for each in job.result.get("artifacts", []):
        archive.add_path(artifact_path(job, each["name"]), each["name"])
    return send(request, iter(archive), f"job-{job.pk}.zip", size=len(archive))
