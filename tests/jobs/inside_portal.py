"""What tests do inside the processes of a RealPortal; answers go back as JSON."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection

from jobs import checking, services, supervisor
from jobs.models import Job
from jobs.rulebook import read
from models_catalog.models import BaseModel
from tests.make import make_client, make_dataset, make_family, make_spec, make_user


def submit(model: str, changes: dict[str, Any]) -> int:
    family = make_family("Llama")
    BaseModel.objects.create(name="house/tiny", source="local", path=model, family=family, supports_chat=True)
    return _submit("house/tiny", changes)


def submit_from_hub(model: str, changes: dict[str, Any]) -> int:
    BaseModel.objects.create(name=model, family=make_family("Llama"), supports_chat=True)
    return _submit(model, changes)


def _submit(model: str, changes: dict[str, Any]) -> int:
    common = {"model.name": model, "data.dataset": str(make_dataset().pk), "data.max_length": 64}
    choices = read(make_spec(**{**common, **changes}))
    job = services.submit(choices=choices, user=make_user(), confirmed=True)
    checking.run(job.pk)  # as the light queue would
    return job.pk


def cancel(pk: int) -> None:
    services.cancel(job=Job.objects.get(pk=pk), by=make_user())


def tick() -> None:
    supervisor.tick()


def ticks_at_once() -> None:
    def one(_: int) -> None:
        supervisor.tick()
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(4)))


def fetch_artifacts(pk: int) -> dict[str, int]:
    """Fetch every artifact through the API; their sizes by name. Content must be as listed."""
    client, sizes = make_client(make_user()), {}
    for each in client.get(f"/api/v1/jobs/{pk}/artifacts/").json():
        content = b"".join(client.get(each["url"]).streaming_content)
        assert (len(content), hashlib.sha256(content).hexdigest()) == (each["size"], each["sha256"])
        sizes[each["name"]] = len(content)
    return sizes
