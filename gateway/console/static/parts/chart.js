// A trend with axes, drawn by uPlot (vendor/): columns over time, zoomed by dragging, as wide as its place.

import { moment, value } from "../core/format.js";
import { t } from "../core/i18n.js";
import { colour } from "../core/theme.js";

const FONT = "12px system-ui, sans-serif";

/**
 * A chart inside `place`.
 *
 * @param {{label: string, unit?: string, colour?: string, dash?: number[], width?: number, step?: boolean}[]} series
 * @param {{height?: number, range?: [number, number], zoomed?: (from: number, to: number) => void}} options `zoomed` is
 *   told, in Unix s, what somebody has dragged over.
 * @returns {{set: (data: (number|null)[][]) => void, close: () => void}} `data` holds the times (Unix s), then a column
 *   for each series.
 */
export function chart(place, series, { height = 220, range = null, zoomed = null } = {}) {
  let plot = null;
  let data = [[], ...series.map(() => [])];

  function build() {
    plot?.destroy();
    plot = new window.uPlot(options(place, series, height, range, zoomed), data, place);
  }

  function set(columns) {
    data = columns;
    plot.setData(data, true);
  }

  const watch = new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height }));
  build();
  watch.observe(place);
  addEventListener("theme", build);

  function close() {
    watch.disconnect();
    removeEventListener("theme", build);
    plot.destroy();
  }

  return { set, close };
}

function options(place, series, height, range, zoomed) {
  return {
    width: place.clientWidth || 400,
    height,
    cursor: { drag: { x: true, y: false, setScale: !zoomed } },
    legend: { live: true },
    scales: { x: { time: true }, y: range ? { range } : {} },
    axes: [
      { ...axis(), space: 70, values: (_, ticks) => ticks.map(clock) },
      { ...axis(), size: 58, values: (_, ticks) => ticks.map(value) },
    ],
    series: [{ label: t("col.time"), value: (_, at) => (at === null ? "–" : clock(at)) }, ...series.map(line)],
    hooks: zoomed ? { setSelect: [(plot) => dragged(plot, zoomed)] } : {},
  };
}

function axis() {
  const grid = { stroke: colour("grid"), width: 1 };
  return { stroke: colour("soft"), font: FONT, grid, ticks: grid };
}

function line(one, i) {
  return {
    label: one.unit ? `${one.label} (${one.unit})` : one.label,
    stroke: colour(one.colour ?? (i ? `trend-${(i % 5) + 1}` : "trend")),
    width: one.width ?? 1.5,
    dash: one.dash,
    points: { show: false },
    spanGaps: false,
    paths: one.step ? window.uPlot.paths.stepped({ align: 1 }) : undefined,
    value: (_, number) => value(number),
  };
}

function dragged(plot, zoomed) {
  if (plot.select.width < 4) return;
  const from = plot.posToVal(plot.select.left, "x");
  const to = plot.posToVal(plot.select.left + plot.select.width, "x");
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  zoomed(from, to);
}

function clock(seconds) {
  return moment(seconds * 1000);
}
