// A list of any length of which only the rows in sight are elements: they are reused as it is scrolled.

import { h } from "../core/dom.js";

const SPARE = 6; // rows above and below what is in sight

/**
 * A grid of rows of one height.
 *
 * @param {{label: string, columns: {label: string, class: string}[], height: number,
 *   paint: (cells: HTMLElement[], index: number, row: HTMLElement) => void, moved: (from: number, to: number) => void,
 *   opens: (index: number) => void}} options `paint` fills a row; `moved` is told which are in sight when that changes.
 * @returns {{element: HTMLElement, size: (n: number) => void, repaint: () => void, close: () => void}}
 */
export function rows({ label, columns, height, paint, moved, opens }) {
  const pool = [];
  const sight = { from: 0, to: 0, count: 0 };
  const names = columns.map((column) => h(`span.${column.class}`, { role: "columnheader" }, column.label));
  const head = h("div.vrow.vhead", { role: "row", "aria-rowindex": 1 }, names);
  const long = h("div.vlong", { role: "rowgroup" });
  const element = h(
    "div.vlist",
    { role: "grid", "aria-label": label, tabindex: 0, onkeydown: arrows },
    h("div", { role: "rowgroup", class: "vtop" }, head),
    long,
  );
  element.addEventListener("scroll", look, { passive: true });
  const watch = new ResizeObserver(look);
  watch.observe(element);

  function size(count) {
    sight.count = count;
    long.style.height = `${count * height}px`;
    element.setAttribute("aria-rowcount", count + 1);
    look();
  }

  function look() {
    const top = Math.floor(element.scrollTop / height);
    const from = Math.max(0, top - SPARE);
    const to = Math.min(sight.count, top + Math.ceil(element.clientHeight / height) + SPARE);
    const changed = from !== sight.from || to !== sight.to;
    sight.from = from;
    sight.to = to;
    repaint();
    if (changed) moved(from, to);
  }

  function repaint() {
    const wanted = Math.max(0, sight.to - sight.from);
    while (pool.length < wanted) pool.push(place());
    pool.forEach(({ element: row, cells }, i) => {
      row.hidden = i >= wanted;
      if (row.hidden) return;
      const index = sight.from + i;
      row.style.transform = `translateY(${index * height}px)`;
      row.dataset.index = index;
      row.setAttribute("aria-rowindex", index + 2);
      paint(cells, index, row);
    });
  }

  function place() {
    const cells = columns.map((column) => h(`span.${column.class}`, { role: "gridcell" }));
    const row = h("div.vrow", { role: "row", tabindex: -1, onclick: () => opens(Number(row.dataset.index)) }, cells);
    row.style.height = `${height}px`;
    long.append(row);
    return { element: row, cells };
  }

  function arrows(event) {
    const now = document.activeElement.dataset?.index;
    const at = now === undefined ? sight.from - 1 : Number(now);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const opening = event.key === "Enter" && now !== undefined;
    if (!step && !opening) return;
    event.preventDefault(); // else what opens gets the key, too
    if (opening) opens(at);
    else reach(Math.max(0, Math.min(sight.count - 1, at + step)));
  }

  function reach(index) {
    const top = index * height;
    if (top < element.scrollTop) element.scrollTop = top;
    const below = top + 2 * height - element.clientHeight;
    if (below > element.scrollTop) element.scrollTop = below;
    look();
    pool.find(({ element: row }) => row.dataset.index === String(index))?.element.focus();
  }

  return { element, size, repaint, close: () => watch.disconnect() };
}

/** Put text into a cell where it differs. */
export function write(cell, text) {
  if (cell.textContent !== text) cell.textContent = text;
}
