// Line drawings of the pages' names and of the tools, on a grid of 20.

import { svg } from "../core/dom.js";

const PATHS = {
  overview: "M3 3h6v6H3zM11 3h6v6h-6zM3 11h6v6H3zM11 11h6v6h-6z",
  tags: "M3 5h14M3 10h14M3 15h14M7 3v14",
  assets:
    "M10 2.5a7.5 7.5 0 1 0 0 15a7.5 7.5 0 1 0 0-15zM10 7a3 3 0 1 0 0 6a3 3 0 1 0 0-6zM10 2.5V7M10 13v4.5M2.5 10H7M13 10h4.5",
  alarms: "M10 3a5 5 0 0 0-5 5v4l-1.5 2.5h13L15 12V8a5 5 0 0 0-5-5zM8.5 16.5a1.5 1.5 0 0 0 3 0",
  delivery: "M2.5 6l7.5-3.5L17.5 6v8L10 17.5L2.5 14zM2.5 6L10 9.5L17.5 6M10 9.5v8",
  why: "M7 7.5a3 3 0 1 1 4.3 2.7c-.9.5-1.3 1-1.3 2M10 15.2v.3M10 2.5a7.5 7.5 0 1 0 0 15a7.5 7.5 0 1 0 0-15z",
  config: "M4 5h12M4 10h12M4 15h12M7 3.5v3M13 8.5v3M9 13.5v3",
  logs: "M4 3h12v14H4zM7 7h6M7 10h6M7 13h4",
  certificates: "M10 2.5l6 2.5v4.5c0 4-2.5 6.5-6 8c-3.5-1.5-6-4-6-8V5zM7.3 9.8l2 2l3.5-4",
  users: "M10 3.5a3 3 0 1 0 0 6a3 3 0 1 0 0-6zM4 16.5c0-3.3 2.7-5 6-5s6 1.7 6 5",
  support: "M10 3v9M6.5 8.8L10 12.3l3.5-3.5M3.5 13v3.5h13V13",
  docs: "M10 5.5C8 4 5.5 3.5 3 3.5v11.5c2.5 0 5 .5 7 2c2-1.5 4.5-2 7-2V3.5c-2.5 0-5 .5-7 2zM10 5.5V17",
  menu: "M3 5h14M3 10h14M3 15h14",
  close: "M4.5 4.5l11 11M15.5 4.5l-11 11",
  light:
    "M10 6.5a3.5 3.5 0 1 0 0 7a3.5 3.5 0 1 0 0-7zM10 2v2M10 16v2M2 10h2M16 10h2M4.3 4.3l1.4 1.4M14.3 14.3l1.4 1.4M4.3 15.7l1.4-1.4M14.3 5.7l1.4-1.4",
  dark: "M15.5 12.5A6.5 6.5 0 0 1 7.5 4.5a6.5 6.5 0 1 0 8 8z",
  auto: "M10 2.5a7.5 7.5 0 1 0 0 15a7.5 7.5 0 1 0 0-15zM10 2.5v15M10 5.5h4.5M10 8.5h7M10 11.5h7M10 14.5h4.5",
  gate: "M3 17V6.5L10 3l7 3.5V17M6.5 17v-6h7v6M10 11v6M3 9h14",
};

/** The drawing of that name; the words beside it say what it is. */
export function icon(name) {
  const line = { fill: "none", stroke: "currentColor", "stroke-width": 1.5, "stroke-linejoin": "round" };
  return svg("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" }, svg("path", { d: PATHS[name], ...line }));
}
