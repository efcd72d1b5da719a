// Drag and drop, and a progress bar, for the upload form. Without this file the form still uploads.

const form = document.getElementById("upload-form");
const zone = form.querySelector("[data-drop-zone]");
const input = form.querySelector("input[type=file]");
const progress = form.querySelector("[data-progress]");
const bar = progress.querySelector("progress");
const text = progress.querySelector("[data-progress-text]");
const findings = document.getElementById("upload-findings");

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

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

form.addEventListener("htmx:xhr:loadstart", () => {
  findings.replaceChildren();
  progress.hidden = false;
  bar.value = 0;
  text.textContent = "Uploading…";
});
form.addEventListener("htmx:xhr:progress", (event) => {
  const { loaded, total } = event.detail;
  if (!total) return;
  bar.value = (100 * loaded) / total;
  text.textContent = loaded < total ? `${megabytes(loaded)} of ${megabytes(total)}` : "Uploaded. Checking every row…";
});
form.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.xhr.status >= 400 || event.detail.failed) progress.hidden = true;
});
