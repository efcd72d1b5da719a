// <combo-box> around a <select>: the same choices, found by typing. The select stays what the form sends, and all there
// is without scripts. An option reads "name · details"; the name is what the closed box shows.

const PAGE = 8;
const MOVES = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE, PageUp: -PAGE };

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function parts(option) {
  const [name, ...details] = option.textContent.trim().split(" · ");
  return [name, details.join(" · ")];
}

class ComboBox extends HTMLElement {
  connectedCallback() {
    if (this.input) return;
    this.select = this.querySelector("select");
    this.build(this.select.id);
    this.show();
    this.select.addEventListener("change", () => this.show());
    this.input.addEventListener("input", () => this.open(this.input.value));
    this.input.addEventListener("click", () => this.list.hidden && this.open());
    this.input.addEventListener("focus", () => this.input.select());
    this.input.addEventListener("blur", () => this.close());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("mousedown", (event) => event.preventDefault()); // the keyboard stays in the input
    this.list.addEventListener("click", (event) => this.pick(event.target.closest("[role=option]")));
    new MutationObserver(() => this.mirror()).observe(this.select, { attributeFilter: ["aria-invalid"] });
  }

  build(id) {
    const described = this.select.getAttribute("aria-describedby") ?? "";
    const placeholder = [...this.select.options].find((option) => !option.value);
    this.input = make("input", {
      id: `${id}-search`, class: "form-select", type: "text", role: "combobox", autocomplete: "off", spellcheck: "false",
      placeholder: placeholder?.textContent ?? "", "aria-autocomplete": "list", "aria-expanded": "false",
      "aria-controls": `${id}-list`, "aria-describedby": described, "aria-required": String(this.select.required),
    });
    const label = document.querySelector(`label[for="${id}"]`);
    label.htmlFor = this.input.id;
    this.list = make("div", { id: `${id}-list`, class: "combo-list", role: "listbox", "aria-label": "Choices" });
    this.none = make("p", { class: "combo-list combo-none" });
    this.list.hidden = this.none.hidden = true;
    this.said = make("output", { class: "visually-hidden" });
    this.select.classList.add("visually-hidden");
    this.select.tabIndex = -1;
    this.select.setAttribute("aria-hidden", "true");
    this.append(this.input, this.list, this.none, this.said);
    this.mirror();
  }

  focus() {
    this.input.focus();
  }

  mirror() {
    this.input.setAttribute("aria-invalid", this.select.getAttribute("aria-invalid") ?? "false");
  }

  show() {
    const [chosen] = this.select.selectedOptions;
    this.input.value = chosen?.value ? parts(chosen)[0] : "";
  }

  open(typed = "") {
    const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
    const possible = (option) => option.value || !this.select.required; // nothing, where nothing may be chosen
    const fits = (option) => possible(option) && words.every((word) => option.textContent.toLowerCase().includes(word));
    this.list.replaceChildren(...this.drawn(fits));
    const found = this.options.length;
    this.none.textContent = `Nothing fits “${typed.trim()}”.`;
    this.said.value = found ? `${found} to choose from` : "Nothing fits";
    this.unfold(found > 0, !found);
    const chosen = this.options.find((option) => option.dataset.value === this.select.value);
    this.point(chosen ?? (words.length ? this.options[0] : null));
    if (!typed) this.list.scrollIntoView({ block: "nearest" });
  }

  unfold(listed, none) {
    this.list.hidden = !listed;
    this.none.hidden = !none;
    this.input.setAttribute("aria-expanded", String(listed));
  }

  *drawn(fits) {
    let count = 0;
    for (const child of this.select.children) {
      const grouped = child instanceof HTMLOptGroupElement;
      const options = (grouped ? [...child.children] : [child]).filter(fits);
      const drawn = options.map((option) => this.option(option, `${this.list.id}-${count++}`));
      if (grouped && drawn.length) yield make("div", { role: "group", "aria-label": child.label },
        make("div", { class: "combo-group", "aria-hidden": "true" }, child.label), ...drawn);
      else yield* drawn;
    }
  }

  option(option, id) {
    const [name, details] = parts(option);
    const drawn = make("div", { id, role: "option", "aria-selected": String(option.selected), "data-value": option.value },
      make("b", {}, name));
    if (details) drawn.append(" ", make("small", {}, details));
    return drawn;
  }

  get options() {
    return [...this.list.querySelectorAll("[role=option]")];
  }

  get pointed() {
    return this.list.querySelector(".is-pointed");
  }

  point(option) {
    this.pointed?.classList.remove("is-pointed");
    option?.classList.add("is-pointed");
    option?.scrollIntoView({ block: "nearest" });
    if (option) this.input.setAttribute("aria-activedescendant", option.id);
    else this.input.removeAttribute("aria-activedescendant");
  }

  close() {
    this.unfold(false, false);
    this.input.removeAttribute("aria-activedescendant");
    this.show();
  }

  pick(option) {
    if (!option) return;
    const changed = this.select.value !== option.dataset.value;
    this.select.value = option.dataset.value;
    this.close();
    if (changed) this.select.dispatchEvent(new Event("change", { bubbles: true }));
  }

  key(event) {
    const closed = this.list.hidden && this.none.hidden;
    if (event.key in MOVES) {
      event.preventDefault();
      if (closed) return this.open();
      const options = this.options;
      const now = options.indexOf(this.pointed);
      const next = now < 0 ? (MOVES[event.key] > 0 ? 0 : options.length - 1) : now + MOVES[event.key];
      this.point(options[Math.min(Math.max(next, 0), options.length - 1)]);
    } else if (!closed && event.key === "Enter") {
      event.preventDefault();
      this.pick(this.pointed);
    } else if (!closed && event.key === "Escape") {
      event.preventDefault();
      this.close();
      this.input.select();
    }
  }
}

customElements.define("combo-box", ComboBox);
