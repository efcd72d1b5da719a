// <loss-chart>: the loss over the steps as SVG. Follows the theme by CSS, is read with the arrow keys.

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = { left: 52, right: 16, top: 12, bottom: 28 };
const SMOOTHING = 0.9;

function shape(name, attributes, parent) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  parent.append(node);
  return node;
}

function ticks(low, high, count) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((each) => each * power >= rough) * power;
  const found = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + step / 1e6; tick += step) found.push(Number(tick.toPrecision(10)));
  return found;
}

// At most two points a pixel: the lowest and the highest of each column, so that no spike is lost.
function thin(points, columns) {
  if (points.length <= columns * 2) return points;
  const kept = [];
  const width = points.length / columns;
  for (let column = 0; column < columns; column++) {
    const slice = points.slice(Math.floor(column * width), Math.floor((column + 1) * width));
    let low = slice[0], high = slice[0];
    for (const point of slice) {
      if (point.y < low.y) low = point;
      if (point.y > high.y) high = point;
    }
    kept.push(...(low === high ? [low] : low.x < high.x ? [low, high] : [high, low]));
  }
  return kept;
}

class LossChart extends HTMLElement {
  #train = [];
  #smooth = [];
  #evals = [];
  #resumed = [];
  #logarithmic = false;
  #frame = 0;
  #cursor = null;

  connectedCallback() {
    this.tabIndex = 0;
    this.setAttribute("role", "img");
    this.svg = shape("svg", { "aria-hidden": "true" }, this);
    this.reading = document.createElement("output");
    this.reading.className = "chart-reading";
    this.append(this.reading);
    new ResizeObserver(() => this.draw()).observe(this);
    this.addEventListener("pointermove", (event) => this.#moveTo(this.#nearest(event)));
    this.addEventListener("pointerleave", () => this.#moveTo(null));
    this.addEventListener("blur", () => this.#moveTo(null));
    this.addEventListener("keydown", (event) => this.#key(event));
  }

  set logarithmic(on) {
    this.#logarithmic = on;
    this.draw();
  }

  // The steps at which a later attempt took the training up again.
  set resumed(steps) {
    if (String(steps) === String(this.#resumed)) return;
    this.#resumed = steps;
    this.draw();
  }

  clear() {
    [this.#train, this.#smooth, this.#evals] = [[], [], []];
    this.draw();
  }

  // A step that comes again, of a later attempt, replaces what came after it.
  addStep(step, loss) {
    while (this.#train.length && this.#train.at(-1).x >= step) this.#train.pop(), this.#smooth.pop();
    while (this.#evals.length && this.#evals.at(-1).x >= step) this.#evals.pop();
    const previous = this.#smooth.at(-1)?.y ?? loss;
    this.#train.push({ x: step, y: loss });
    this.#smooth.push({ x: step, y: SMOOTHING * previous + (1 - SMOOTHING) * loss });
    this.draw();
  }

  addEval(step, loss) {
    while (this.#evals.length && this.#evals.at(-1).x >= step) this.#evals.pop();
    this.#evals.push({ x: step, y: loss });
    this.draw();
  }

  get points() {
    return this.#train.length;
  }

  draw() {
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#render();
    });
  }

  #render() {
    this.svg.replaceChildren();
    const [width, height] = [this.svg.clientWidth, this.svg.clientHeight];
    if (!width || !this.#train.length) return this.#describe();
    this.#scale(width, height);
    this.#axes(width, height);
    this.#marks(height);
    const columns = Math.max(1, width - MARGIN.left - MARGIN.right);
    this.#line("chart-raw", thin(this.#train, columns));
    this.#line("chart-smooth", thin(this.#smooth, columns));
    this.#line("chart-eval", this.#evals);
    for (const { x, y } of this.#evals) shape("circle", { class: "chart-dot", cx: this.x(x), cy: this.y(y), r: 3 }, this.svg);
    this.#describe();
    if (this.#cursor !== null) this.#cross();
  }

  #scale(width, height) {
    const value = this.#logarithmic ? (y) => Math.log10(Math.max(y, 1e-9)) : (y) => y;
    let low = Infinity, high = -Infinity;
    for (const { y } of [...this.#train, ...this.#evals]) {
      low = Math.min(low, value(y));
      high = Math.max(high, value(y));
    }
    const room = (high - low) * 0.06 || 0.5;
    this.low = low - room;
    this.high = high + room;
    this.first = this.#train[0].x;
    this.last = Math.max(this.#train.at(-1).x, this.#evals.at(-1)?.x ?? 0, this.first + 1);
    this.x = (step) => MARGIN.left + ((step - this.first) / (this.last - this.first)) * (width - MARGIN.left - MARGIN.right);
    this.level = (level) => MARGIN.top + ((this.high - level) / (this.high - this.low)) * (height - MARGIN.top - MARGIN.bottom);
    this.y = (loss) => this.level(value(loss));
  }

  #axes(width, height) {
    for (const tick of ticks(this.low, this.high, 5)) {
      const y = this.level(tick);
      shape("line", { class: "chart-grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y, y2: y }, this.svg);
      const text = shape("text", { x: MARGIN.left - 8, y: y + 4, "text-anchor": "end" }, this.svg);
      text.textContent = Number((this.#logarithmic ? 10 ** tick : tick).toPrecision(3));
    }
    for (const tick of ticks(this.first, this.last, Math.max(2, Math.min(8, width / 60))).filter(Number.isInteger))
      shape("text", { x: this.x(tick), y: height - 8, "text-anchor": "middle" }, this.svg).textContent = tick;
  }

  #marks(height) {
    for (const step of this.#resumed.filter((each) => each >= this.first && each <= this.last)) {
      const line = shape("line", { class: "chart-resumed", x1: this.x(step), x2: this.x(step), y1: MARGIN.top, y2: height - MARGIN.bottom }, this.svg);
      shape("title", {}, line).textContent = `Resumed at step ${step}`;
    }
  }

  #line(name, points) {
    if (!points.length) return;
    const path = points.map(({ x, y }, n) => `${n ? "L" : "M"}${this.x(x).toFixed(1)} ${this.y(y).toFixed(1)}`);
    shape("path", { class: name, d: path.join("") }, this.svg);
  }

  #describe() {
    const n = this.#train.length;
    this.setAttribute("aria-label", n
      ? `Training loss over ${n} points: ${this.#train[0].y.toFixed(3)} at step ${this.#train[0].x}, smoothed ${this.#smooth[n - 1].y.toFixed(3)} at step ${this.#train[n - 1].x}.`
        + (this.#evals.length ? ` Latest evaluation loss ${this.#evals.at(-1).y.toFixed(3)}.` : "")
        + (this.#resumed.length ? ` Resumed at step ${this.#resumed.join(", ")}.` : "") + " Arrow keys read single values."
      : "Training loss: no points yet.");
  }

  #nearest(event) {
    if (!this.x || !this.#train.length) return null;
    const inside = event.clientX - this.svg.getBoundingClientRect().left;
    let [low, high] = [0, this.#train.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.x(this.#train[middle].x) < inside) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #key(event) {
    const last = this.#train.length - 1;
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -Infinity, End: Infinity };
    if (event.key === "Escape") return this.#moveTo(null);
    if (!(event.key in moves) || last < 0) return;
    event.preventDefault();
    this.#moveTo(Math.max(0, Math.min(last, (this.#cursor ?? last) + moves[event.key])));
  }

  #moveTo(index) {
    this.#cursor = index;
    this.#cross();
  }

  #cross() {
    this.svg.querySelectorAll(".chart-cross").forEach((node) => node.remove());
    const point = this.#train[this.#cursor ?? -1];
    this.reading.textContent = point
      ? `step ${point.x} · loss ${point.y.toFixed(4)} · smoothed ${this.#smooth[this.#cursor].y.toFixed(4)}` : "";
    if (!point) return;
    const x = this.x(point.x);
    shape("line", { class: "chart-cross", x1: x, x2: x, y1: MARGIN.top, y2: this.svg.clientHeight - MARGIN.bottom }, this.svg);
    shape("circle", { class: "chart-cross", cx: x, cy: this.y(point.y), r: 4 }, this.svg);
  }
}

customElements.define("loss-chart", LossChart);
