// The tokens of a rendered conversation: pointing at one, or walking with the arrow keys, says its id.

const ARROWS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

function read(token) {
  const box = token.closest("[data-tokens]");
  box.querySelector(".is-read")?.classList.remove("is-read");
  token.classList.add("is-read");
  const tokens = [...box.children];
  const marks = [token.matches(".is-special") && "special", token.matches(".is-trained") && "trained",
    token.matches(".is-part") && "goes on with the character before it"].filter(Boolean);
  const text = JSON.stringify(token.textContent.replaceAll("↵\n", "\n"));
  box.parentElement.querySelector("[data-token-reading]").value =
    [`Token ${tokens.indexOf(token) + 1} of ${tokens.length}: ${text}`, `id ${token.title}`, ...marks].join(" · ");
}

document.addEventListener("pointerover", (event) => {
  const token = event.target.closest?.("[data-tokens] > .token");
  if (token) read(token);
});

document.addEventListener("keydown", (event) => {
  const box = event.target.closest?.("[data-tokens]");
  const step = ARROWS[event.key];
  if (!box || !step || !box.children.length) return;
  event.preventDefault();
  const now = box.querySelector(".is-read");
  const next = now ? (step > 0 ? now.nextElementSibling : now.previousElementSibling) : box.firstElementChild;
  if (next) {
    read(next);
    next.scrollIntoView({ block: "nearest" });
  }
});
