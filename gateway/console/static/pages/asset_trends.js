// The course of an asset: score against threshold, what each tag contributes, the tags themselves. The recent past is
// in the gateway's memory; what is dragged over, or looked at further back, comes from the recording.

import { get, path } from "../core/api.js";
import { draw, h } from "../core/dom.js";
import { fixed, moment } from "../core/format.js";
import { t } from "../core/i18n.js";
import { chart } from "../parts/chart.js";
import { say } from "../parts/dialog.js";
import { button, choices, panel } from "../parts/panel.js";

const SPANS = [
  ["120", "2min"],
  ["600", "10min"],
  ["3600", "1h"],
  ["28800", "8h"],
  ["86400", "24h"],
];
const EVERY = 2000; // ms between two looks at what is new
const SHOWN = 5; // contributions and tags that are drawn

/** Fill `place`; gives {close}. */
export function trends(place, asset, recorded) {
  const now = { span: "600", zoom: null, data: null, charts: [], named: [] };
  let turn = 0;

  async function load() {
    const mine = (turn += 1);
    const wanted = now.zoom ? { from: Math.round(now.zoom[0]), to: Math.round(now.zoom[1]) } : { span: now.span };
    try {
      const data = await get(path`/assets/${asset}/trend`, { ...wanted, points: 600 });
      if (mine !== turn) return;
      show(data);
    } catch (error) {
      say(error.message, true);
      now.zoom = null;
    }
  }

  function show(data) {
    const again = !now.data || shape(now.data) !== shape(data) || (above(data) && now.named[0] !== ranked(data)[0]);
    now.data = data;
    now.named = again ? ranked(data).slice(0, SHOWN) : now.named;
    if (again) build();
    for (const one of now.charts) one.update(data);
    redrawHead();
  }

  /** What of `data` asks for other charts: the source and the names of the lines. */
  function shape(data) {
    return JSON.stringify([data.source, Object.keys(data.contributions), Object.keys(data.tags)]);
  }

  function build() {
    for (const one of now.charts) one.close();
    place.replaceChildren();
    const head = h("div.row", { "data-part": "head" });
    place.append(head);
    now.charts = graphs(now.data, now.named).map((graph) => {
      const inside = h("div.chart");
      place.append(panel(graph.title, inside));
      const drawn = chart(inside, graph.series, { height: graph.height, range: graph.range, zoomed: zoom });
      return { update: (data) => drawn.set(graph.columns(data)), close: drawn.close };
    });
  }

  function redrawHead() {
    const { from, to } = now.data;
    const spans = recorded ? SPANS : SPANS.slice(0, 2);
    const pick = choices(
      t("asset.span"),
      spans.map(([id, time]) => [id, t(`time.${time}`)]),
      now.zoom ? null : now.span,
      (id) => {
        now.span = id;
        now.zoom = null;
        load();
      },
    );
    const top = Math.max(...now.data.score.filter((score) => score !== null));
    const source = t(`asset.from.${now.data.source}`);
    draw(place.querySelector('[data-part="head"]'), [
      pick,
      now.zoom && button(t("asset.back"), () => ((now.zoom = null), load())),
      now.zoom && h("span.note", {}, `${moment(now.zoom[0])} – ${moment(now.zoom[1])}`),
      h("span.note", { title: from ? `${moment(from)} – ${moment(to)}` : null }, source),
      Number.isFinite(top) && h("span.note", {}, t("asset.highest", { score: fixed(top) })),
    ]);
  }

  function zoom(from, to) {
    now.zoom = [from * 1000, to * 1000];
    load();
  }

  const beat = setInterval(() => !now.zoom && !document.hidden && Number(now.span) <= 3600 && load(), EVERY);
  load();

  function close() {
    turn += 1;
    clearInterval(beat);
    for (const one of now.charts) one.close();
  }

  return { close };
}

/** The charts for what is there; a recording has no score. */
function graphs(data, largest) {
  const seconds = (found) => found.time.map((time) => time / 1000);
  const tags = [...new Set([...largest, ...Object.keys(data.tags)])].filter((tag) => tag in data.tags).slice(0, SHOWN);
  const score = {
    title: t("asset.score"),
    height: 210,
    series: [
      { label: t("col.score"), width: 2 },
      { label: t("col.threshold"), colour: "limit", dash: [5, 4], step: true },
    ],
    columns: (found) => [seconds(found), found.score, found.threshold],
  };
  const made = {
    title: t("asset.contributions"),
    height: 170,
    series: largest.map((label) => ({ label })),
    columns: (found) => [seconds(found), ...largest.map((tag) => parts(found, tag))],
  };
  const each = tags.map((tag, i) => ({
    title: data.tags[tag].unit ? `${tag} (${data.tags[tag].unit})` : tag,
    height: 120,
    series: [{ label: tag, colour: i ? `trend-${i + 1}` : "trend" }],
    columns: (found) => [seconds(found), found.tags[tag].value],
  }));
  return [data.source === "memory" && score, largest.length > 0 && made, ...each].filter(Boolean);
}

/** Whether the latest score is above its threshold: then what contributes most is to come first. */
function above({ score, threshold }) {
  return score.length > 0 && score.at(-1) > threshold.at(-1);
}

/** What of the score a tag makes: its share of it. Shares alone are noise while the score is low. */
function parts({ score, contributions }, tag) {
  return contributions[tag].map((share, i) => (share === null || score[i] === null ? null : share * score[i]));
}

/** The tags that contribute, what contributes most by now first. */
function ranked({ contributions }) {
  const latest = (tag) => Math.abs(contributions[tag].findLast((share) => share !== null) ?? 0);
  return Object.keys(contributions).sort((a, b) => latest(b) - latest(a));
}
