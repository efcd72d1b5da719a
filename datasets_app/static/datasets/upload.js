// Drag and drop, a progress bar, and uploads in pieces for the upload form. Without this file the form still uploads.
// A file that is sent in pieces goes on where it stopped: after a break, and when the same file is chosen again later.

const form = document.getElementById("upload-form");
const zone = form.querySelector("[data-drop-zone]");
const input = form.querySelector("input[type=file]");
const progress = form.querySelector("[data-progress]");
const bar = progress.querySelector("progress");
const text = progress.querySelector("[data-progress-text]");
const cancel = progress.querySelector("[data-cancel]");
const findings = document.getElementById("upload-findings");
const { uploads, datasets } = form.dataset;
const WHOLE = Number(form.dataset.whole ?? 16_000_000); // smaller files are sent at once
const PIECE = Number(form.dataset.piece ?? 8_000_000);
const RETRIES = [1, 2, 4, 8, 15, 30]; // seconds

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

for (const name of ["dragenter", "dragover"]) {
  zone.addEventListener(name, (event) => {
    event.preventDefault();
    zone.classList.add("is-over");
  });
}
for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("is-over"));

zone.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files.length) input.files = event.dataTransfer.files;
});

function show(done, total, words) {
  findings.replaceChildren();
  progress.hidden = false;
  bar.value = total ? (100 * done) / total : 0;
  text.textContent = words;
}

// Small files and pasted rows: one request, sent by htmx

form.addEventListener("htmx:xhr:loadstart", () => show(0, 1, "Uploading…"));
form.addEventListener("htmx:xhr:progress", (event) => {
  const { loaded, total } = event.detail;
  if (!total) return;
  show(loaded, total, loaded < total ? `${megabytes(loaded)} of ${megabytes(total)}` : "Uploaded. Checking every row…");
});
form.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.xhr.status >= 400 || event.detail.failed) progress.hidden = true;
});

// Large files: in pieces

form.addEventListener("htmx:confirm", (event) => {
  const file = input.files[0];
  if (input.files.length !== 1 || file.size <= WHOLE) return;
  event.preventDefault();
  sendInPieces(file);
});

let stopped = false;
cancel.addEventListener("click", () => { stopped = true; });

async function sendInPieces(file) {
  const button = form.querySelector("button[type=submit]");
  const key = `foretune-upload-${file.name}-${file.size}-${file.lastModified}`;
  stopped = false;
  button.disabled = true;
  cancel.hidden = false;
  try {
    let upload = await begunBefore(key) ?? await begin(file, key);
    while (upload.received < upload.size && !stopped) {
      show(upload.received, upload.size, `${megabytes(upload.received)} of ${megabytes(upload.size)}`);
      upload = await sendPiece(file, upload);
    }
    localStorage.removeItem(key);
    if (stopped) {
      await ask("DELETE", `${uploads}${upload.id}/`);
      progress.hidden = true;
      return;
    }
    show(1, 1, "Uploaded. Checking every row…");
    const dataset = await ask("POST", `${uploads}${upload.id}/complete/`);
    window.location.assign(`${datasets}${dataset.id}/`);
  } catch (refused) {
    progress.hidden = true;
    tell(refused.findings ?? [{ message: "The connection broke and did not come back. Choose the same file again to go on." }]);
  } finally {
    button.disabled = false;
    cancel.hidden = true;
  }
}

async function begunBefore(key) {
  const id = localStorage.getItem(key);
  return id && await ask("GET", `${uploads}${id}/`).catch(() => null);
}

async function begin(file, key) {
  const asked = { size: file.size, file_name: file.name, name: form.elements.name.value };
  const upload = await ask("POST", uploads, JSON.stringify(asked), "application/json");
  localStorage.setItem(key, upload.id);
  return upload;
}

async function sendPiece(file, upload) {
  for (const seconds of [...RETRIES, null]) {
    try {
      const piece = file.slice(upload.received, upload.received + Math.min(PIECE, upload.piece));
      return await ask("PUT", `${uploads}${upload.id}/?offset=${upload.received}`, piece, "application/octet-stream");
    } catch (refused) {
      if ((refused.status && refused.status < 500 && refused.status !== 409) || seconds === null) throw refused;
      text.textContent = `The connection broke at ${megabytes(upload.received)}. Trying again…`;
      await pause(refused.status === 409 ? 0 : seconds);
      upload = await ask("GET", `${uploads}${upload.id}/`).catch(() => upload);
    }
  }
}

async function ask(method, address, body, type) {
  const headers = { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value, Accept: "application/json" };
  if (type) headers["Content-Type"] = type;
  const response = await fetch(address, { method, body, headers });
  const answer = response.status === 204 ? null : await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.message), { status: response.status, findings: answer.findings });
  return answer;
}

function tell(found) {
  const list = document.createElement("ul");
  list.className = "findings";
  for (const each of found) {
    const item = document.createElement("li");
    item.className = "finding finding-error";
    item.dataset.code = each.code ?? "";
    item.append(document.createElement("p"));
    item.lastChild.textContent = each.message;
    list.append(item);
  }
  findings.replaceChildren(list);
}
