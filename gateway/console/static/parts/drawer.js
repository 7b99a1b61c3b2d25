// What opens at the side of a page and leaves the page where it is. Escape closes it, and the focus goes back.

import { h } from "../core/dom.js";
import { t } from "../core/i18n.js";
import { icon } from "./icons.js";

let shown = null;

/**
 * Open it, in place of another; `closed` is called when it goes, whoever sent it away.
 * Gives the element to fill.
 */
export function drawer(title, closed) {
  closeDrawer();
  const body = h("div.body");
  const shut = h(
    "button.plain.icon",
    { type: "button", "aria-label": t("do.close"), onclick: closeDrawer },
    icon("close"),
  );
  const head = h("header", {}, h("h2", {}, title), shut);
  const onkeydown = (event) => event.key === "Escape" && closeDrawer();
  const element = h("aside.drawer", { "aria-label": title, onkeydown }, head, body);
  shown = { element, closed, before: document.activeElement };
  document.body.append(element);
  document.body.classList.add("drawn");
  shut.focus();
  return body;
}

/** Close what is open. */
export function closeDrawer() {
  if (!shown) return;
  const { element, closed, before } = shown;
  shown = null;
  element.remove();
  document.body.classList.remove("drawn");
  closed?.();
  if (before?.isConnected) before.focus();
}
