// The new-job form: sliders, the summary dialog, and focus. What is valid, the server says.

const form = document.getElementById("job-form");
const dialog = () => document.getElementById("summary-dialog");

// A change made here must look like typing, so that the form is checked again.
const typeInto = (input, text) => {
  input.value = text;
  input.dispatchEvent(new Event("change", { bubbles: true }));
};

// Sliders go from 0 to 1000; a setting without a step slides through orders of magnitude.
const scaleOf = (slider) => {
  const [low, high, step] = ["low", "high", "step"].map((name) => Number(slider.dataset[name]));
  if (slider.dataset.step) {
    const rounded = (value) => Number((Math.round(value / step) * step).toPrecision(6));
    return { at: (share) => rounded(low + share * (high - low)), of: (value) => (value - low) / (high - low) };
  }
  const decades = Math.log10(high / low);
  return {
    at: (share) => Number((low * 10 ** (share * decades)).toPrecision(2)),
    of: (value) => Math.log10(value / low) / decades,
  };
};

const share = (value) => Math.min(1, Math.max(0, value));

function placeSlider(slider) {
  const input = document.getElementById(slider.dataset.slides);
  const scale = scaleOf(slider);
  const value = Number(input.value);
  if (input.value !== "" && Number.isFinite(value)) slider.value = 1000 * share(scale.of(value) || 0);
  slider.setAttribute("aria-valuetext", input.value);
  if (slider.dataset.goodLow) {
    slider.style.setProperty("--good-from", `${100 * share(scale.of(Number(slider.dataset.goodLow)))}%`);
    slider.style.setProperty("--good-to", `${100 * share(scale.of(Number(slider.dataset.goodHigh)))}%`);
  }
}

const placeSliders = () => document.querySelectorAll("[data-slides]").forEach(placeSlider);

form.addEventListener("input", (event) => {
  const slider = event.target.closest("[data-slides]");
  if (slider) {
    const input = document.getElementById(slider.dataset.slides);
    input.value = scaleOf(slider).at(slider.value / 1000);
    slider.setAttribute("aria-valuetext", input.value);
  } else {
    document.querySelectorAll(`[data-slides="${event.target.id}"]`).forEach(placeSlider);
  }
});

form.addEventListener("change", (event) => {
  const slider = event.target.closest("[data-slides]");
  if (slider) typeInto(document.getElementById(slider.dataset.slides), document.getElementById(slider.dataset.slides).value);
});

function focusField(id) {
  const field = document.getElementById(id) ?? document.querySelector(`#field-${id} input:not([type="hidden"]):not(:disabled)`);
  field?.closest("details")?.setAttribute("open", "");
  (field?.closest("combo-box") ?? field)?.focus();
  field?.scrollIntoView({ block: "center" });
}

form.addEventListener("click", (event) => {
  const link = event.target.closest("[data-focus]");
  if (link) {
    event.preventDefault();
    dialog().close();
    focusField(link.dataset.focus);
  }
});

document.body.addEventListener("focusfield", (event) => {
  if (!dialog().open) focusField(event.detail.id);
});

// After each answer: inputs say whether they are invalid, the dialog opens on a summary, folded errors come to light.
function reflect() {
  for (const list of document.querySelectorAll(".findings[data-field]")) {
    const id = list.dataset.field;
    const inputs = document.querySelectorAll(`#${CSS.escape(id)}, #field-${CSS.escape(id)} input[type="radio"]`);
    const invalid = list.dataset.worst === "error";
    for (const input of inputs) invalid ? input.setAttribute("aria-invalid", "true") : input.removeAttribute("aria-invalid");
    if (invalid) list.closest("details")?.setAttribute("open", "");
  }
  placeSliders();
}

// What has not changed stays where it is: a button under the mouse, an open popover, the focus. So does a button
// whose own answer is still to come: that answer is newer than this one.
let answered = null;
document.addEventListener("htmx:beforeSwap", ({ detail }) => (answered = detail.requestConfig.elt));
document.addEventListener("htmx:oobBeforeSwap", ({ detail }) => {
  const same = detail.fragment.firstElementChild?.isEqualNode(detail.target);
  const waiting = [...detail.target.querySelectorAll(".htmx-request")].some((button) => button !== answered);
  if (same || waiting) detail.shouldSwap = false;
});

document.body.addEventListener("showsummary", () => {
  if (!dialog().open) dialog().showModal();
  document.getElementById("summary-title").focus();
});
form.addEventListener("htmx:afterRequest", reflect);

// A browser that comes back to this page restores what was typed, but not what was said about it.
addEventListener("pageshow", (event) => {
  const [{ type }] = performance.getEntriesByType("navigation");
  const name = document.getElementById("id_name");
  if (event.persisted || type !== "navigate") typeInto(name, name.value);
});

reflect();
