// What every page shares: dialogs opened and closed by buttons, and a notice when the server does not answer.

const notice = document.getElementById("notice");

export function say(text) {
  notice.textContent = text;
  notice.hidden = !text;
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens).showModal();
  if (event.target.closest("[data-closes]")) event.target.closest("dialog").close();
});

document.addEventListener("htmx:sendError", () => say("The server does not answer. Nothing you typed is lost; try again in a moment."));
document.addEventListener("htmx:responseError", (event) =>
  say(`The server could not do that (${event.detail.xhr.status}). Nothing you typed is lost.`));
document.addEventListener("htmx:afterOnLoad", () => say(""));
