// The job page while something happens: polls for news, draws them, says when the server is away.

const live = document.getElementById("job-live");
const chart = document.querySelector("loss-chart");
const log = document.getElementById("log");
const follow = document.getElementById("log-follow");
const byId = (id) => document.getElementById(id);

let [attempt, after, logMark] = ["", 0, ""];
let shown = live.dataset.shown;
let failures = 0;
let timer = 0;

const duration = (seconds) => {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
};

function showConnection(text) {
  byId("connection").textContent = text;
}

function showProgress(news) {
  const bar = byId("progress-bar");
  if (!bar) return; // what is being rehearsed has no steps to count
  const { text = "", fraction, eta_seconds: eta } = news.progress;
  const share = news.total_steps ? news.step / news.total_steps : fraction;
  if (share == null) bar.removeAttribute("value");
  else bar.value = share;
  const steps = news.total_steps ? `Step ${news.step} of ${news.total_steps}` : "";
  if (steps || text) byId("progress-step").textContent = steps || text;
  byId("progress-text").textContent = steps ? text : "";
  byId("progress-eta").textContent = eta == null ? "" : `about ${duration(eta)} left`;
}

function showMetrics(metrics) {
  for (const tile of document.querySelectorAll("[data-metric]")) {
    const value = metrics[tile.dataset.metric];
    tile.textContent = value == null ? "—" : Number(Number(value).toPrecision(4));
  }
}

function showLog(text) {
  log.textContent = text;
  if (follow.checked) log.scrollTop = log.scrollHeight;
}

function showWhetherEmpty() {
  byId("chart-empty").hidden = chart.points > 0;
}

function draw({ step, loss, eval_loss: evalLoss }) {
  if (loss != null) chart.addStep(step, loss);
  if (evalLoss != null) chart.addEval(step, evalLoss);
}

function take(news) {
  if (news.reset) chart.clear();
  for (const point of news.curve ?? []) draw(point);
  for (const event of news.events) {
    if (event.event === "again") chart.clear();
    if (event.event !== "stage") draw(event);
  }
  chart.resumed = news.resumed;
  [attempt, after, logMark] = [news.attempt, news.after, news.log_mark];
  if (news.log !== undefined) showLog(news.log);
  showProgress(news);
  showMetrics(news.metrics);
  for (const id of ["job-loss", "job-log", "job-numbers"]) byId(id).hidden = !news.attempt;
  showWhetherEmpty();
  if (news.shown !== shown || news.events.some((event) => event.event === "again")) {
    shown = news.shown;
    htmx.trigger(live, "statechange");
  }
}

async function poll() {
  const query = new URLSearchParams({ attempt, after, log: logMark });
  try {
    const answer = await fetch(`${live.dataset.events}?${query}`, { headers: { Accept: "application/json" } });
    if (!answer.ok || answer.redirected) throw new Error(`answered ${answer.status}`);
    const news = await answer.json();
    take(news);
    failures = 0;
    showConnection(news.ended ? "" : "live");
    return news.more ? 0 : news.ended ? null : document.hidden ? 10_000 : news.waits ? 3000 : 1000;
  } catch {
    failures += 1;
    showConnection("reconnecting…");
    return Math.min(10_000, 1000 * 2 ** Math.min(failures - 1, 4));
  }
}

async function loop() {
  clearTimeout(timer);
  const wait = await poll();
  if (wait !== null) timer = setTimeout(loop, wait);
}

byId("log-scale").addEventListener("change", (event) => (chart.logarithmic = event.target.checked));
document.addEventListener("htmx:oobAfterSwap", showWhetherEmpty);
follow.addEventListener("change", () => follow.checked && (log.scrollTop = log.scrollHeight));
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && timer) {
    clearTimeout(timer);
    timer = setTimeout(loop, 0);
  }
});
loop();
