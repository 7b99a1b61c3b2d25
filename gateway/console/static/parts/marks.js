// The signs of states: each has a shape and a letter beside its colour, so that none rests on colour alone.

import { svg } from "../core/dom.js";
import { word } from "../core/format.js";

const CIRCLE = "M9 1.5a7.5 7.5 0 1 0 0 15a7.5 7.5 0 1 0 0-15z";
const UP = "M9 1.2L17.2 16.2H.8z";
const DOWN = "M9 16.8L17.2 1.8H.8z";
const SQUARE = "M2 2H16V16H2z";
const DIAMOND = "M9 .8L17.2 9L9 17.2L.8 9z";

// NAMUR NE 107 §7: shape, colour and letter of each status signal; good has none to catch the eye
const SIGNALS = {
  failure: [CIRCLE, "failure", "F", 12.8],
  "function-check": [DOWN, "check", "C", 9.8],
  "out-of-specification": [UP, "spec", "S", 14.2],
  "maintenance-required": [SQUARE, "maintenance", "M", 12.8],
};
const PRIORITIES = {
  critical: [SQUARE, "critical", "1", 12.8],
  high: [UP, "high", "2", 14.4],
  medium: [DOWN, "medium", "3", 10.2],
  low: [DIAMOND, "low", "4", 12.8],
};
const HEALTH = { ok: "good", starting: "function-check", degraded: "out-of-specification", failed: "failure" };

/** The sign of a NE 107 state: `good`, `failure`, `function-check`, `out-of-specification`, `maintenance-required`. */
export function signal(state) {
  const title = word("ne107", state);
  return state in SIGNALS ? filled(title, ...SIGNALS[state]) : calm(title);
}

/** The sign of a part's health, in the same four shapes. */
export function health(state) {
  const title = word("health", state);
  const as = HEALTH[state] ?? "good";
  return as in SIGNALS ? filled(title, ...SIGNALS[as]) : calm(title);
}

/** The sign of an alarm: shape and number tell its priority, filled that nobody has acknowledged it. */
export function alarm(severity, state) {
  const title = `${word("severity", severity)}, ${word("alarm", state)}`;
  const [shape, name, number, y] = PRIORITIES[severity] ?? PRIORITIES.low;
  if (state === "normal") return calm(title);
  if (state === "active-unacknowledged") return filled(title, shape, name, number, y);
  const quiet = state === "active-acknowledged" || state === "returned-unacknowledged";
  return hollow(title, shape, quiet ? name : "edge", number, y, state === "returned-unacknowledged");
}

/** The sign of a reading's quality: `good`, `uncertain` or `bad`. */
export function quality(kind, title) {
  if (kind === "bad") return filled(title, ...SIGNALS.failure.with(2, "×"));
  if (kind === "uncertain") return filled(title, ...SIGNALS["out-of-specification"].with(2, "?"));
  return calm(title);
}

/** The sign of a step on the way: `ok`, `explains` (a reason, and nothing wrong), `stops`. */
export function stand(kind) {
  const title = word("stand", kind);
  if (kind === "stops") return filled(title, ...SIGNALS.failure.with(2, "×"));
  return kind === "ok" ? calm(title) : filled(title, CIRCLE, "told", "i", 12.8);
}

function filled(title, shape, name, letter, y) {
  return framed(
    title,
    svg("path", { d: shape, fill: `var(--${name})` }),
    svg("text", { x: 9, y, fill: `var(--${name}-ink)` }, letter),
  );
}

function hollow(title, shape, name, letter, y, dashed) {
  const line = { d: shape, fill: "none", stroke: `var(--${name})`, "stroke-width": 2 };
  return framed(
    title,
    svg("path", dashed ? { ...line, "stroke-dasharray": "7 2.5" } : line),
    svg("text", { x: 9, y, fill: "var(--ink)" }, letter),
  );
}

function calm(title) {
  return framed(
    title,
    svg("circle", { cx: 9, cy: 9, r: 3.5, fill: "none", stroke: "var(--edge)", "stroke-width": 1.5 }),
  );
}

function framed(title, ...inside) {
  return svg(
    "svg.mark",
    { viewBox: "0 0 18 18", role: "img", "aria-label": title },
    svg("title", {}, title),
    ...inside,
  );
}
