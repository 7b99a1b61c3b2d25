// The table of assets: how each stands, its score against the threshold, its alarm.

import { h } from "../core/dom.js";
import { byName, fixed, word } from "../core/format.js";
import { t } from "../core/i18n.js";
import { pastScores } from "../core/past.js";
import { address, go } from "../core/router.js";
import { alarm, signal } from "./marks.js";
import { spark } from "./spark.js";
import { table } from "./table.js";

const URGENT = ["failure", "out-of-specification", "function-check", "maintenance-required", "good"];
const SEVERITIES = ["critical", "high", "medium", "low"];
const STATES = ["active-unacknowledged", "active-acknowledged", "returned-unacknowledged"];

/** The table; `redraw` is called when it was sorted otherwise. */
export function assetTable(redraw) {
  return table({
    label: t("assets.table"),
    columns: columns(),
    key: (row) => row.asset,
    opens: (row) => go("assets", row.asset),
    empty: t("assets.none"),
    redraw,
  });
}

/** Assets, the abnormal ones first. */
export function urgentFirst(assets) {
  const rank = (one) =>
    100 * standingOf(one.alarm) + 10 * SEVERITIES.indexOf(one.severity) + URGENT.indexOf(one.signal);
  return [...assets].sort((a, b) => rank(a) - rank(b) || byName(a.asset, b.asset));
}

function standingOf(state) {
  const at = STATES.indexOf(state);
  return at < 0 ? STATES.length : at;
}

/** How far its detector is: a word, and while it learns the rows. */
export function phase(one) {
  const told = word("phase", one.phase);
  return one.phase === "calibrating" && one.needed ? `${told} ${one.rows} / ${one.needed}` : told;
}

function columns() {
  return [
    {
      id: "signal",
      label: t("col.state"),
      fit: true,
      cell: (row) => signal(row.signal),
      by: (row) => URGENT.indexOf(row.signal),
    },
    { id: "asset", label: t("col.asset"), cell: name, by: (row) => row.asset },
    { id: "alarm", label: t("col.alarm"), cell: standing, by: (row) => row.alarm, hide: "narrow" },
    {
      id: "trend",
      label: t("col.minutes", { minutes: 2 }),
      fit: true,
      cell: (row) => spark(pastScores(row.asset), t("assets.course"), row.threshold),
      hide: "wide",
    },
    { id: "score", label: t("col.score"), num: true, fit: true, cell: score, by: (row) => row.score },
    {
      id: "threshold",
      label: t("col.threshold"),
      num: true,
      fit: true,
      cell: (row) => fixed(row.threshold ?? NaN),
      by: (row) => row.threshold,
    },
    { id: "phase", label: t("col.detector"), cell: phase, hide: "wide" },
  ];
}

function name(row) {
  return h("a", { href: address("assets", row.asset) }, row.asset);
}

function standing(row) {
  if (row.alarm === "normal") return h("span.note", {}, word("alarm", row.alarm));
  return h("span.row.tight.whole", {}, alarm(row.severity, row.alarm), word("alarm", row.alarm));
}

function score(row) {
  const above = row.score !== null && row.threshold !== null && row.score > row.threshold;
  return h(above ? "span.bad.strong" : "span", {}, fixed(row.score ?? NaN));
}
