// Numbers, times and sizes as plant people read them.

import { language, t } from "./i18n.js";

const MISSING = "–";
let ahead = 0; // ms that the gateway's clock is ahead of this screen's

/** Take the gateway's clock (Unix ms) as the one that ages are told by. */
export function setClock(time) {
  ahead = time - Date.now();
}

/** The gateway's time now, Unix ms. */
export function now() {
  return Date.now() + ahead;
}

/** A value with as many digits as it carries: 6 significant, no exponent in the usual range. */
export function value(x) {
  if (x === null || x === undefined || x === "") return MISSING;
  if (typeof x === "boolean") return x ? "1" : "0";
  if (typeof x !== "number") return typeof x === "string" ? x : JSON.stringify(x);
  const size = Math.abs(x);
  if (Number.isInteger(x) && size < 1e9) return String(x);
  if (size !== 0 && (size >= 1e9 || size < 1e-4)) return x.toExponential(3);
  return String(Number(x.toPrecision(5)));
}

/** A reading, with its five digits told even where they are zeros, so that what is live does not jump. */
export function reading(x) {
  if (typeof x !== "number" || Number.isInteger(x) || Math.abs(x) >= 1e5 || Math.abs(x) < 0.1) return value(x);
  return x.toPrecision(5);
}

/** What stands behind a number: its unit, and what it means where it is one of an enumeration. */
export function told(unit, text) {
  return [unit, text].filter(Boolean).join(" ");
}

/** A number with `digits` behind the point. */
export function fixed(x, digits = 2) {
  return Number.isFinite(x) ? x.toFixed(digits) : MISSING;
}

/** A count with the separators of the language. */
export function count(x) {
  return Number.isFinite(x) ? x.toLocaleString(language()) : MISSING;
}

/** A part of one as percent. */
export function percent(x, digits = 0) {
  return Number.isFinite(x) ? `${(100 * x).toFixed(digits)} %` : MISSING;
}

/** Bytes, in powers of 1024. */
export function bytes(x) {
  if (!Number.isFinite(x)) return MISSING;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let step = 0;
  for (; x >= 1024 && step < units.length - 1; step += 1) x /= 1024;
  return `${step && x < 100 ? x.toFixed(1) : Math.round(x)} ${units[step]}`;
}

/** A span of seconds in its two largest units: `3 d 4 h`. */
export function span(seconds) {
  if (!Number.isFinite(seconds)) return MISSING;
  const s = Math.max(0, seconds);
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 60) return `${Math.floor(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** How long ago an instant (Unix ms) was. */
export function age(instant) {
  return instant ? span((now() - instant) / 1000) : MISSING;
}

/** An instant (Unix ms) of today by its time, another with its date; local to this screen. */
export function moment(instant) {
  if (!instant) return MISSING;
  const date = new Date(instant);
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const today = new Date(now()).toDateString() === date.toDateString();
  return today ? clock : `${day(instant)} ${clock}`;
}

/** The day of an instant (Unix ms). */
export function day(instant) {
  const date = new Date(instant);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** The order of names: that of people, in which pump-2 stands before pump-10. */
export const byName = new Intl.Collator("en", { numeric: true }).compare;

function two(x) {
  return String(x).padStart(2, "0");
}

/** What the gateway says of an alarm, without the asset's name in front; nothing where that is no more than its state. */
export function about({ asset, message, state }) {
  const told = message.startsWith(`${asset}: `) ? message.slice(asset.length + 2) : message;
  return told === state ? "" : told;
}

/** A word of the gateway's (a state, a reason, a kind) in the language; unknown ones stay as they are. */
export function word(kind, name) {
  const key = `${kind}.${name}`;
  const told = t(key);
  return told === key ? String(name) : told;
}
