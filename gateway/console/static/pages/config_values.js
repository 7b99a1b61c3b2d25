// What the configuration comes to: every value, and the line that it was written at.

import { h } from "../core/dom.js";
import { t } from "../core/i18n.js";

const MOST = 300; // values that are drawn at once, over all documents

/**
 * The documents with the values that match `search`. Those in `opened` (names) are drawn open, and all that match a
 * search; `turn` is called with the name of one that is to be opened or closed.
 */
export function documents({ documents: all }, search, opened, turn) {
  const fitting = all
    .map((one) => ({ ...one, values: one.values.filter((value) => fits(one, value, search)) }))
    .filter((one) => one.values.length);
  if (!fitting.length) return h("p.empty", {}, t("config.none"));
  let room = MOST;
  return fitting.map((one) => {
    const name = one.device ?? t("config.main");
    const shown = (search || opened.has(name)) && room > 0 ? one.values.slice(0, room) : [];
    room -= shown.length;
    return sheet(name, one.values.length, shown, () => turn(name));
  });
}

function fits({ device }, { path, value, file }, search) {
  return !search || `${device ?? ""} ${path} ${JSON.stringify(value)} ${file}`.toLowerCase().includes(search);
}

function sheet(name, count, shown, turn) {
  const open = shown.length > 0;
  const button = h("button.plain.wide-button", { type: "button", "aria-expanded": String(open), onclick: turn }, [
    h("span.note", {}, open ? "▾" : "▸"),
    h("b", {}, name),
    h("span.note", {}, t("config.count", { count })),
  ]);
  return h("section.panel", { "data-key": name }, h("div", {}, button), open && values(name, count, shown));
}

function values(name, count, shown) {
  const head = ["path", "value", "origin"].map((id) => h("th", { scope: "col" }, t(`config.${id}`)));
  const whole = h("table.values", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, shown.map(line)));
  const rest = count > shown.length && h("p.empty", {}, t("config.more", { count: count - shown.length }));
  return [h("div.scroll", { tabindex: 0, role: "region", "aria-label": name }, whole), rest];
}

function line({ path, value, file, line: number, given }) {
  const origin = `${file}:${number}`;
  return h("tr", { "data-key": path }, [
    h("td.mono", {}, path),
    h("td.mono.break", {}, typeof value === "string" ? value : JSON.stringify(value)),
    h("td.mono.note", {}, given ? t("config.given", { origin, given }) : origin),
  ]);
}
