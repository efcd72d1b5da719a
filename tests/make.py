"""Plain functions that make things for tests, with literal values. Named people: owner, colleague, stranger, admin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
from django.conf import settings
from django.contrib.auth.models import User
from rest_framework.test import APIClient
from safetensors.numpy import save_file

from datasets_app.models import Dataset
from jobs.models import ENDED, Job, Place
from jobs.rulebook.reading import nest
from models_catalog.models import BaseModel, ModelFamily

LLAMA_MODULES = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                 "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")  # fmt: skip
GPT2_MODULES = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
CHAT_ROW = {"messages": [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Ahoy!"}]}


def make_user(name: str = "owner", **changes: Any) -> User:
    user, _ = User.objects.get_or_create(username=name, defaults={"email": f"{name}@example.org", **changes})
    return user


def make_family(name: str = "Llama") -> ModelFamily:
    """A family of the seeded catalogue."""
    return ModelFamily.objects.get(name=name)


def make_model(name: str = "house/tiny-chat", *, family: str = "Llama", chat: bool = True, **changes: Any) -> BaseModel:
    """A local model whose files are at hand: real in form, too small to train."""
    folder = Path(settings.HOME) / "models" / name.replace("/", "--")
    write_model_files(folder, gpt2=family == "GPT-2", chat=chat)
    row = {"source": "local", "path": str(folder), "family": make_family(family), "supports_chat": chat, **changes}
    return BaseModel.objects.update_or_create(name=name, defaults=row)[0]


def write_model_files(folder: Path, *, gpt2: bool = False, chat: bool = True) -> None:
    kind, architecture = ("gpt2", "GPT2LMHeadModel") if gpt2 else ("llama", "LlamaForCausalLM")
    width = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = {"model_type": kind, "architectures": [architecture], "vocab_size": 64, "max_position_embeddings": 2048}
    tokenizer = {"chat_template": "{% for message in messages %}{{ message.content }}{% endfor %}"} if chat else {}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config | width))
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer.json").write_text("{}")
    modules = GPT2_MODULES if gpt2 else LLAMA_MODULES
    weights = {f"model.layers.0.{module}.weight": numpy.zeros((8, 8), "float32") for module in modules}
    save_file(weights, folder / "model.safetensors")


def make_dataset(owner: User | None = None, *, name: str = "support chats", row: Any = None, **changes: Any) -> Dataset:
    """Twenty good rows that have been read; `row` is what each of them holds."""
    row = row or CHAT_ROW
    format_, conversational = _shape(row)
    known = {"format": format_, "conversational": conversational, "columns": list(row), "rows": 20, "status": "ready"}
    owner = owner or make_user()
    dataset = Dataset.objects.create(owner=owner, name=name, file_name="rows.jsonl", **{**known, **changes})
    dataset.path.write_text((json.dumps(row) + "\n") * dataset.usable_rows)
    return dataset


def _shape(row: dict[str, Any]) -> tuple[str, bool]:
    if "messages" in row:
        return "messages", True
    if "chosen" in row:
        return "preference", isinstance(row["chosen"], list)
    if "completion" in row:
        return "prompt_completion", isinstance(row["completion"], list)
    return "text", False


def make_spec(**changes: Any) -> dict[str, Any]:
    """A specification that passes with `make_model()` and `make_dataset()`; changes by dotted name, None removes."""
    values: dict[str, Any] = {
        "model.name": "house/tiny-chat",
        "data.dataset": "1",
        "data.strategy": "chat",
        "training.method": "sft",
    }
    return nest({path: value for path, value in (values | changes).items() if value is not None})


def make_job(owner: User | None = None, **changes: Any) -> Job:
    """A queued job, written to the database without any check; `slots` are the places it holds on its machine."""
    owner, slots = owner or make_user(), changes.pop("slots", ())
    spec = changes.pop("spec", None) or make_spec(name="made")
    ended = {"finished_at": "2026-01-02T03:04:05Z"} if changes.get("state") in ENDED else {}
    job = Job.objects.create(owner=owner, **{"name": "made", "spec": spec, **ended, **changes})
    Place.objects.bulk_create(Place(machine=job.machine, slot=slot, job=job) for slot in slots)
    return job


def make_client(user: User | None = None) -> APIClient:
    """Somebody who calls the API, logged in unless `user` is None."""
    client = APIClient(raise_request_exception=True)
    client.force_authenticate(user)
    return client
