// Panels, facts, fields and the like: small pieces that several pages share.

import { h, svg } from "../core/dom.js";

/** A panel with its title, what stands beside the title, and a body. */
export function panel(title, body, { beside = null, bare = false, span = null, key = null } = {}) {
  const head = h("header", {}, h("h2", {}, title), beside && h("span.grow"), beside);
  const classes = ["panel", span && `span-${span}`].filter(Boolean).join(" ");
  return h("section", { class: classes, "data-key": key }, head, h(bare ? "div.body.bare" : "div.body", {}, body));
}

/** The head of a page: its name, and what can be done there. */
export function heading(title, ...beside) {
  return h("header", {}, h("h1", {}, title), beside);
}

/** Pairs of a name and what it is. */
export function facts(pairs) {
  const lines = pairs.filter(Boolean).map(([name, what]) => [h("dt", {}, name), h("dd", {}, what)]);
  return h("dl.facts", {}, lines);
}

/** A button. */
export function button(
  label,
  onclick,
  { kind = null, small = false, disabled = false, pressed = null, title = null } = {},
) {
  const classes = [kind, small && "small"].filter(Boolean).join(" ") || null;
  const state = pressed === null ? null : String(pressed);
  return h("button", { type: "button", class: classes, disabled, onclick, title, "aria-pressed": state }, label);
}

/** One of several, shown as buttons side by side. */
export function choices(label, options, chosen, choose) {
  const buttons = options.map(([id, text]) => button(text, () => choose(id), { pressed: id === chosen }));
  return h("div.choices", { role: "group", "aria-label": label }, buttons);
}

/** How full something is: `part` of 1, with the bounds from which it is a warning and bad. */
export function meter(part, label, { warn = 0.8, bad = 0.95 } = {}) {
  const state = part >= bad ? "bad" : part >= warn ? "warn" : "calm";
  const width = Math.max(0, Math.min(100, 100 * (part || 0)));
  const box = { viewBox: "0 0 100 8", preserveAspectRatio: "none", role: "img", "aria-label": label };
  return svg(`svg.meter.${state}`, box, svg("rect", { x: 0, y: 0, width: width.toFixed(1), height: 8 }));
}

/** A number with its unit, so that numbers stand under one another. */
export function measured(number, unit) {
  return [number, h("span.unit", {}, unit || "")];
}

/** A sentence that must be seen; `kind` is bad or warn. */
export function notice(text, kind = null) {
  return h(kind ? `div.notice.${kind}` : "div.notice", { role: kind === "bad" ? "alert" : null }, text);
}
