// Runs before the first paint, so that the page never flashes in the wrong colours.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => document.cookie.match(/(?:^|; )theme=(light|dark|auto)/)?.[1] ?? "auto";
  const apply = () => {
    const wanted = chosen();
    root.dataset.bsTheme = wanted === "auto" ? (dark.matches ? "dark" : "light") : wanted;
  };
  const choose = (theme) => {
    document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax`;
    apply();
  };
  root.classList.add("js");
  apply();
  dark.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", () => {
    for (const radio of document.querySelectorAll(".theme-switch input")) {
      radio.checked = radio.value === chosen();
      radio.addEventListener("change", () => choose(radio.value));
    }
  });
})();
