// Alarms as ISA-18.2 wants them seen: what stands, what was set aside, what happened, and how many one operator gets.

import { get } from "../core/api.js";
import { draw, h } from "../core/dom.js";
import { age, fixed, moment, now as clock, span, word } from "../core/format.js";
import { t } from "../core/i18n.js";
import { address, note } from "../core/router.js";
import { on } from "../core/stream.js";
import { alarmActs, alarmWords } from "../parts/acts.js";
import { say } from "../parts/dialog.js";
import { alarm } from "../parts/marks.js";
import { choices, heading, panel } from "../parts/panel.js";
import { table } from "../parts/table.js";

const SEVERITIES = ["critical", "high", "medium", "low"];
const ASIDE = ["shelved", "suppressed", "out-of-service"];
const FIGURES = [
  "standing",
  "unacknowledged",
  "active",
  "ten_minutes",
  "hour",
  "chattering",
  "shelved",
  "out_of_service",
];
const VIEWS = ["list", "history", "figures"];

export function open(main, { query }) {
  const now = { view: VIEWS.includes(query.view) ? query.view : "list", alarms: [], figures: null, changes: [] };
  const tables = { standing: listTable(redraw), aside: asideTable(redraw), history: historyTable(redraw) };

  function redraw() {
    draw(main, h("div.page", {}, heading(t("page.alarms"), pick(now.view, choose)), BODIES[now.view](now, tables)));
  }

  async function choose(view) {
    now.view = view;
    note("alarms", "", { view });
    redraw();
    if (view === "history") await loadHistory();
  }

  async function loadHistory() {
    try {
      now.changes = (await get("/alarms/history", { most: 500 })).changes;
    } catch (error) {
      say(error.message, true);
    }
    redraw();
  }

  function hear({ alarms, figures }) {
    Object.assign(now, { alarms, figures });
    redraw();
  }

  const deaf = on("alarms", hear);
  const beat = setInterval(redraw, 1000); // ages go on
  choose(now.view);
  return {
    view: { topics: ["alarms"] },
    close: () => (deaf(), clearInterval(beat)),
  };
}

const BODIES = { list, history, figures };

function pick(view, choose) {
  return choices(
    t("alarms.views"),
    VIEWS.map((id) => [id, t(`alarms.${id}`)]),
    view,
    choose,
  );
}

function list(now, tables) {
  const aside = now.alarms.filter((row) => ASIDE.includes(row.state));
  const standing = now.alarms.filter((row) => !ASIDE.includes(row.state));
  return [
    panel(t("alarms.standing", { count: standing.length }), tables.standing.tree(standing), { bare: true }),
    panel(t("alarms.aside", { count: aside.length }), tables.aside.tree(aside), { bare: true }),
  ];
}

function history(now, tables) {
  return panel(t("alarms.history"), tables.history.tree(now.changes), { bare: true });
}

function figures(now) {
  if (!now.figures) return null;
  const head = h(
    "tr",
    {},
    h("th", { scope: "col" }, t("alarms.figure")),
    SEVERITIES.map((one) => h("th.num", { scope: "col" }, word("severity", one))),
    h("th.num", { scope: "col" }, t("alarms.all")),
  );
  const lines = FIGURES.map((name) => {
    const counts = SEVERITIES.map((severity) => now.figures[name][severity] ?? 0);
    const all = counts.reduce((a, b) => a + b, 0);
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, t(`figure.${name}`)),
      [...counts, all].map((n) => h(n ? "td.num.strong" : "td.num.note", {}, n)),
    );
  });
  const ten = Object.values(now.figures.ten_minutes).reduce((a, b) => a + b, 0);
  const flood = h(
    ten > 10 ? "p.bad.strong" : "p.note",
    {},
    t("alarms.flood", { now: ten, peak: now.figures.ten_minutes_peak }),
  );
  return panel(
    t("alarms.figures"),
    [h("table", {}, h("thead", {}, head), h("tbody", {}, lines)), h("div.empty", {}, flood)],
    { bare: true },
  );
}

// -- the tables -------------------------------------------------------------------------------------------------------

const COLUMNS = {
  sign: () => ({ id: "sign", label: "", fit: true, cell: (row) => alarm(row.severity, row.state) }),
  asset: () => ({ id: "asset", label: t("col.asset"), fit: true, cell: name, by: (row) => row.asset }),
  state: () => ({
    id: "state",
    label: t("col.state"),
    fit: true,
    cell: (row) => word("alarm", row.state),
    by: (row) => row.state,
    hide: "narrow",
  }),
  message: () => ({ id: "message", label: t("col.message"), cell: message, line: true }),
  score: () => ({
    id: "score",
    label: t("col.score"),
    num: true,
    fit: true,
    cell: (row) => fixed(row.score ?? NaN),
    by: (row) => row.score,
    hide: "wide",
  }),
  age: () => ({
    id: "age",
    label: t("col.since"),
    num: true,
    fit: true,
    cell: (row) => h("span", { title: moment(row.since) }, age(row.since)),
    by: (row) => row.since,
  }),
  left: () => ({
    id: "left",
    label: t("col.until"),
    num: true,
    fit: true,
    cell: left,
    by: (row) => row.until,
    hide: "narrow",
  }),
  acts: () => ({ id: "acts", label: t("col.acts"), fit: true, cell: alarmActs, line: true }),
};

function listTable(redraw) {
  const columns = ["sign", "asset", "state", "message", "score", "age", "acts"].map((id) => COLUMNS[id]());
  return table({ label: t("alarms.list"), columns, key: (row) => row.asset, empty: t("alarms.none"), redraw });
}

function asideTable(redraw) {
  const columns = ["sign", "asset", "state", "message", "left", "acts"].map((id) => COLUMNS[id]());
  return table({ label: t("figure.shelved"), columns, key: (row) => row.asset, empty: t("alarms.none_aside"), redraw });
}

function historyTable(redraw) {
  const columns = [
    {
      id: "time",
      label: t("col.time"),
      fit: true,
      cell: (row) => h("span.num", {}, moment(row.time)),
      by: (row) => row.time,
    },
    COLUMNS.sign(),
    COLUMNS.asset(),
    { id: "state", label: t("col.state"), fit: true, cell: (row) => word("alarm", row.state), by: (row) => row.state },
    COLUMNS.message(),
    { id: "by", label: t("col.by"), fit: true, cell: (row) => row.by || "–", by: (row) => row.by, hide: "narrow" },
  ];
  const key = (row) => `${row.time}/${row.asset}/${row.state}`;
  return table({
    label: t("alarms.history"),
    columns,
    key,
    empty: t("alarms.no_history"),
    redraw,
    sort: "time",
    down: true,
  });
}

function name(row) {
  const link = h("a", { href: address("assets", row.asset) }, row.asset);
  return row.state.endsWith("unacknowledged") ? h("b", {}, link) : link;
}

function message(row) {
  return h("div.clip", { title: row.message }, alarmWords(row));
}

function left(row) {
  return row.until ? t("alarms.left", { time: span((row.until - clock()) / 1000) }) : "–";
}
