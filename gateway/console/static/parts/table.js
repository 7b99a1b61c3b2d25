// A table that is sorted by a click on a column's head.

import { h } from "../core/dom.js";

/**
 * @typedef {{id: string, label: string, cell: (row: any) => any, num?: boolean, fit?: boolean, hide?: "wide"|"narrow", line?: boolean,
 *   by?: (row: any) => any}} Column `by` is what it is sorted by; without it the column is not. On
 * a phone a row becomes a card, in which a `line` cell has a line of its own.
 */

/**
 * A table of `columns`; `redraw` is called when it has been sorted otherwise.
 * Its `tree(rows)` is to be given to `draw`.
 */
export function table({ label, columns, key, redraw, opens, empty, sort = null, down = false }) {
  const order = { id: sort, down };

  function turn(id) {
    order.down = order.id === id ? !order.down : false;
    order.id = id;
    redraw();
  }

  function sorted(rows) {
    const by = columns.find((column) => column.id === order.id)?.by;
    if (!by) return rows;
    const sign = order.down ? -1 : 1;
    return [...rows].sort((a, b) => sign * compare(by(a), by(b)));
  }

  function head(column) {
    const now = order.id === column.id ? (order.down ? "descending" : "ascending") : null;
    const arrow = now ? (order.down ? " ▾" : " ▴") : "";
    const text = column.by
      ? h("button", { type: "button", onclick: () => turn(column.id) }, column.label + arrow)
      : column.label;
    return h("th", { scope: "col", class: classes(column), "aria-sort": now }, text);
  }

  function line(row) {
    const open = opens && (() => opens(row));
    const cells = columns.map((column) => h("td", { class: classes(column) }, column.cell(row)));
    return h("tr", { "data-key": key(row), class: opens ? "opens" : null, onclick: open }, cells);
  }

  function tree(rows) {
    if (!rows.length) return h("p.empty", {}, empty);
    const body = h("tbody", {}, sorted(rows).map(line));
    const whole = h("table.cards", {}, h("thead", {}, h("tr", {}, columns.map(head))), body);
    return h("div.scroll", { tabindex: 0, role: "region", "aria-label": label }, whole);
  }

  return { tree };
}

function classes(column) {
  const names = [column.num && "num", column.fit && "fit", column.hide, column.line && "own"].filter(Boolean);
  return names.length ? names.join(" ") : null;
}

function compare(a, b) {
  if (a === b) return 0;
  if (a === null || a === undefined) return 1;
  if (b === null || b === undefined) return -1;
  return a < b ? -1 : 1;
}
