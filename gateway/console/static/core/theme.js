// Light or dark: what the system prefers, unless somebody has chosen.

const ORDER = ["auto", "light", "dark"];

/** What was chosen: auto, light or dark. */
export function theme() {
  return localStorage.getItem("theme") ?? "auto";
}

/** Choose the next of the three, and tell which. */
export function nextTheme() {
  const next = ORDER[(ORDER.indexOf(theme()) + 1) % ORDER.length];
  localStorage.setItem("theme", next);
  applyTheme();
  return next;
}

/** Put the choice where the style sheets see it. */
export function applyTheme() {
  const dark = theme() === "dark" || (theme() === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  dispatchEvent(new Event("theme"));
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", applyTheme);

/** A colour of the style sheets, for what is drawn on a canvas. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
