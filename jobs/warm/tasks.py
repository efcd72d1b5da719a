"""What the warm process can be asked to do: a name, and the function that does it.

A function takes keyword arguments and answers with a dict, all of them plain JSON values. It runs in a process of
its own, which ends after it.
"""

from __future__ import annotations

from collections.abc import Mapping

TASKS: Mapping[str, str] = {
    "inspect": "models_catalog.inspection.inspect:inspect_folder",
    "render": "models_catalog.inspection.rendering:render",
    "render_all": "models_catalog.inspection.writing:render_all",
    "account": "jobs.preparation.account:account",
    "show": "jobs.preparation.show:show",
    "rehearse": "jobs.rehearsal.rehearse:rehearse",
}
