"""What the selectors of a new job offer, in the words they are shown with."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.contrib.humanize.templatetags.humanize import intcomma

from datasets_app.models import Dataset
from models_catalog import catalogue

from .models import Job, State

MOST_EARLIER = 100

Grouped = list[tuple[str, Any]]


def model_choices(chosen: Any) -> Grouped:
    """Models at hand first, then those to download. A name the catalogue lacks is kept, so that it is not lost."""
    offered = catalogue.choices()
    here = [(model.name, model.label) for model in offered if model.at_hand]
    there = [(model.name, model.label) for model in offered if not model.at_hand]
    groups: Grouped = [("", "Choose a model…"), ("On this machine", here), ("To download", there)]
    known = {name for name, _ in here + there}
    return groups if not chosen or chosen in known else [*groups, (str(chosen), f"{chosen} · not in the catalogue")]


def dataset_choices(user: User, chosen: Any) -> Grouped:
    """One's own datasets, newest first."""
    offered = [(str(dataset.pk), _dataset_label(dataset)) for dataset in Dataset.objects.visible_to(user)]
    known = {key for key, _ in offered}
    lost = [] if not chosen or chosen in known else [(str(chosen), f"{chosen} · not found")]
    return [("", "Choose a dataset…"), *offered, *lost]


def eval_dataset_choices(user: User, chosen: Any) -> Grouped:
    """The same to evaluate with; a job can do without."""
    return [("", "None: hold out rows, or do not evaluate"), *dataset_choices(user, chosen)[1:]]


def earlier_choices(user: User, chosen: Any) -> Grouped:
    """Whose weights to begin with: one's own finished jobs, newest first. Another number is kept as it was given."""
    done = Job.objects.filter(owner=user, state=State.SUCCEEDED).values_list("pk", "name")[:MOST_EARLIER]
    offered = [(str(pk), f"Job {pk} · {name}") for pk, name in done]
    known = {key for key, _ in offered}
    other = [] if not chosen or str(chosen) in known else [(str(chosen), f"Job {chosen}")]
    return [("", "None: the base model's own weights"), *offered, *other]


def _dataset_label(dataset: Dataset) -> str:
    if dataset.status != Dataset.Status.READY:
        return f"{dataset.name} · {dataset.status}"
    return f"{dataset.name} · {dataset.get_format_display()} · {intcomma(dataset.usable_rows)} rows"
