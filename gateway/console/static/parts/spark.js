// A trend the size of a word.

import { svg } from "../core/dom.js";

const WIDTH = 96;
const HEIGHT = 22;

/** The course of `values` (null: a gap); `limit` is drawn as a line where it lies within reach. */
export function spark(values, label, limit = null) {
  const known = values.filter((value) => Number.isFinite(value));
  if (known.length < 2) return svg("svg.spark", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" });
  const low = Math.min(...known);
  const top = Math.max(...known);
  const high = limit !== null && limit > low ? Math.max(top, limit) : top;
  const y = (value) => (HEIGHT - 3 - ((value - low) / (high - low || 1)) * (HEIGHT - 6)).toFixed(1);
  const x = (i) => ((i / (values.length - 1)) * WIDTH).toFixed(1);
  const line = limit !== null && limit > low ? svg("line", { x1: 0, x2: WIDTH, y1: y(limit), y2: y(limit) }) : null;
  const frame = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label };
  return svg("svg.spark", frame, line, svg("path", { d: path(values, x, y) }));
}

function path(values, x, y) {
  let pen = "M";
  return values
    .map((value, i) => {
      if (!Number.isFinite(value)) {
        pen = "M";
        return "";
      }
      const point = `${pen}${x(i)} ${y(value)}`;
      pen = "L";
      return point;
    })
    .join("");
}
