"""What a new user does on the first day, in a real browser, against the real portal, with a real model."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.journeys.portal import Portal, environment_of, manage, serve

pytestmark = [pytest.mark.slow, pytest.mark.browser]

GPT2 = "openai-community/gpt2"
SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"
PASSWORD = "a-Long-Enough-1"
TRAINING = 600_000
"""Milliseconds a training of a few steps may take on a busy machine."""


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    pytest.importorskip("gguf", reason="needs the demo extra, which unpacks SmolLM2")
    home = tmp_path_factory.mktemp("home")
    environment = environment_of(home)
    manage(environment, "migrate", "--verbosity", "0")
    make = (
        "from django.contrib.auth.models import User; from models_catalog.demo_model import register_demo_model; "
        f"User.objects.create_user('newcomer', password='{PASSWORD}'); register_demo_model()"
    )
    manage(environment, "shell", "--no-imports", "-c", make)
    with serve(home) as portal:
        yield portal


@pytest.fixture
def page(chromium: Browser, portal: Portal) -> Iterator[Page]:
    """A page that must stay silent: nothing in its console, no request to another host."""
    context = chromium.new_context(base_url=portal.address, accept_downloads=True)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on(
        "request", lambda r: said.append(r.url) if not r.url.startswith((portal.address, "data:", "blob:")) else None
    )
    yield page
    context.close()
    assert said == []


@pytest.fixture
def chat_file(tmp_path: Path) -> Path:
    rows = [
        {"messages": [
            {"role": "user", "content": f"What is {number} plus {number}?"},
            {"role": "assistant", "content": f"Ahoy! That be {2 * number}, matey."},
        ]}
        for number in range(40)
    ]  # fmt: skip
    broken = {"messages": [{"role": "user", "content": None}]}
    file = tmp_path / "pirate.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows, broken]))
    return file


@pytest.mark.filterwarnings(
    "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"
)  # PEFT asks by the old name
def test_a_newcomer_trains_a_chat_model(portal: Portal, page: Page, chat_file: Path, tmp_path: Path) -> None:
    log_in(page)
    upload(page, chat_file)
    choose_gpt2_and_see_chat_refused(page)
    switch_to_smollm2(page)
    make_a_mistake(page)
    press_fixes_until_green(page)
    ask_for_four_steps(page)
    start(page)
    watch_it_train(page)
    adapter = download(page, tmp_path)
    assert "adapter_model.safetensors" in {file.name for file in adapter.iterdir()}
    base = portal.environment["FORETUNE_HOME"] + "/models/SmolLM2-135M-Instruct"
    assert generate_with_peft(base, adapter) != ""


def log_in(page: Page) -> None:
    page.goto("/")
    page.wait_for_url("**/login/**")
    page.get_by_label("User name").fill("newcomer")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/")


def upload(page: Page, file: Path) -> None:
    page.goto("/datasets/")
    page.set_input_files("input[type=file]", str(file))
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/datasets/*/")
    main = page.locator("main")
    expect(main).to_contain_text("Chat (messages)")
    expect(main).to_contain_text("null-content")
    expect(main).to_contain_text("Ahoy! That be 0, matey.")
    page.get_by_role("link", name="New job with this dataset").click()
    page.wait_for_url("**/jobs/new*")


def choose_gpt2_and_see_chat_refused(page: Page) -> None:
    page.locator("[name='model.name']").select_option(GPT2)
    expect(targets(page)).to_have_value("c_attn, c_proj")
    expect(page.locator("#job-form")).to_contain_text(f"{GPT2} has no chat template")


def switch_to_smollm2(page: Page) -> None:
    page.locator("[name='model.name']").select_option(SMOLLM2)
    expect(targets(page)).to_have_value("q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj")
    expect(page.locator("#job-form")).not_to_contain_text("has no chat template")
    expect(page.locator("[name='data.strategy'][value=chat]")).to_be_checked()


def make_a_mistake(page: Page) -> None:
    page.locator("#advanced summary").click()
    page.locator("[name='data.max_length']").fill("64")
    page.locator("[name='training.batch_size']").fill("2")
    page.locator("[name='training.num_epochs']").fill("-1")
    expect(page.locator("#job-form")).to_contain_text("training.num_epochs must be greater than 0")


def press_fixes_until_green(page: Page) -> None:
    """Any fix will do, as long as pressing one after the other ends."""
    for _ in range(8):
        fixes = page.locator("#job-form .finding-error button[name=fix]:visible")
        if not fixes.count():
            break
        with page.expect_response("**/jobs/fix"):
            fixes.first.click()
        page.wait_for_timeout(500)
    expect(page.locator("[name='training.num_epochs']")).to_have_value("3")
    expect(page.locator("[name='data.bad_rows']")).to_have_value("drop")
    expect(page.locator("#job-form .finding-error:visible")).to_have_count(0)


def ask_for_four_steps(page: Page) -> None:
    with page.expect_response("**/jobs/check"):
        page.locator("[name='training.max_steps']").fill("4")
    expect(page.locator("#job-form .finding-error:visible")).to_have_count(0)


def start(page: Page) -> None:
    page.locator("#check-and-start").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    confirm = dialog.locator("[name=confirmed]")
    if confirm.count():
        confirm.check()
    dialog.get_by_role("button", name="Start training").click()
    page.wait_for_url("**/jobs/*/")


def watch_it_train(page: Page) -> None:
    """The page is never loaded again: everything arrives by itself."""
    expect(page.locator("main")).to_contain_text("of 4", timeout=TRAINING)
    expect(page.locator("main")).to_contain_text("Succeeded", timeout=TRAINING)
    expect(page.locator("loss-chart svg")).to_be_visible()
    expect(page.locator("main")).to_contain_text("1 of 41 rows left out")


def download(page: Page, folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download all").click()
    zipped = zipfile.ZipFile(io.BytesIO(Path(waiting.value.path()).read_bytes()))
    zipped.extractall(folder / "adapter")
    return next((folder / "adapter").rglob("adapter_config.json")).parent


def generate_with_peft(base_folder: str, adapter: Path) -> str:
    """As somebody would who only has the zip and the base model."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(adapter)
    base = AutoModelForCausalLM.from_pretrained(base_folder, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, adapter)
    asked = [{"role": "user", "content": "What is 3 plus 3?"}]
    tokens = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    written = model.generate(**tokens, max_new_tokens=12, do_sample=False)
    return str(tokenizer.decode(written[0][tokens["input_ids"].shape[1] :], skip_special_tokens=True))


def targets(page: Page) -> Locator:
    return page.locator("[name='lora.target_modules'][type=text]")
