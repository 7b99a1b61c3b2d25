// Live tags: thousands in a list of which only what is in sight is drawn and streamed.

import { draw, h } from "../core/dom.js";
import { age, count, reading, told } from "../core/format.js";
import { t } from "../core/i18n.js";
import { note } from "../core/router.js";
import { look, on } from "../core/stream.js";
import { choices, heading } from "../parts/panel.js";
import { quality } from "../parts/marks.js";
import { kindOf, qualityText } from "../parts/quality.js";
import { spark } from "../parts/spark.js";
import { rows, write } from "../parts/rows.js";
import { tagDrawer } from "./tag_drawer.js";

const HEIGHT = 28;
const SLACK = 20; // rows asked for beyond what is in sight
const PATIENCE = 250; // ms without a key before a search is asked for
const KEPT = 90; // values of a trend the size of a word, one a second
const QUALITIES = ["", "good", "uncertain", "bad"];

export function open(main, { name, query }) {
  const asked = {
    search: query.search ?? "",
    device: query.device ?? "",
    quality: query.quality ?? "",
    offset: 0,
    limit: 60,
  };
  const seen = { total: null, at: new Map(), pasts: new Map(), rate: null, beats: 0 };
  const list = rows({ label: t("page.tags"), columns: columns(), height: HEIGHT, paint, moved, opens });
  const head = h("header");
  const status = h("p.note", { role: "status" });
  main.append(h("div.page.full", {}, head, status, list.element));
  let waiting = null;

  // -- what is asked for ----------------------------------------------------------------------------------------------

  function ask() {
    clearTimeout(waiting);
    look({ topics: ["tags"], ...asked });
  }

  function filter(change) {
    Object.assign(asked, change, { offset: 0 });
    list.element.scrollTop = 0;
    note(
      "tags",
      "",
      Object.fromEntries(["search", "device", "quality"].map((key) => [key, asked[key]]).filter(([, v]) => v)),
    );
    redrawHead();
    clearTimeout(waiting);
    waiting = setTimeout(ask, PATIENCE);
  }

  function moved(from, to) {
    if (from >= asked.offset && to <= asked.offset + asked.limit && seen.total !== null) return;
    asked.offset = Math.max(0, from - SLACK);
    asked.limit = Math.min(500, Math.max(60, to - from + 2 * SLACK));
    clearTimeout(waiting);
    waiting = setTimeout(ask, 60);
  }

  // -- what comes -----------------------------------------------------------------------------------------------------

  function hear(frame) {
    if (frame.full) begin(frame);
    const byRow = seen.rows;
    frame.rows.forEach((row, i) => {
      const tag = byRow?.get(row);
      if (tag)
        Object.assign(tag, {
          value: frame.other[row] ?? frame.value[i],
          text: frame.texts[row] ?? "",
          status: frame.status[i],
          time: frame.time[i],
        });
    });
    if (frame.full) list.size(frame.total);
    else list.repaint();
  }

  function begin(frame) {
    const tags = frame.rows.map((row, i) => ({ row, name: frame.names[i], unit: frame.units[i] }));
    seen.rows = new Map(tags.map((tag) => [tag.row, tag]));
    seen.at = new Map(tags.map((tag, i) => [frame.offset + i, tag]));
    seen.total = frame.total;
    seen.pasts = new Map(tags.map(({ row }) => [row, seen.pasts.get(row) ?? []]));
    redrawStatus();
  }

  // -- what is drawn --------------------------------------------------------------------------------------------------

  function paint([sign, nameCell, number, unit, course, text, old], index, row) {
    const tag = seen.at.get(index);
    row.dataset.tag = tag?.name ?? "";
    write(nameCell, tag?.name ?? "…");
    write(number, tag ? reading(tag.value) : "");
    write(unit, tag ? told(tag.unit, tag.text) : "");
    write(text, tag ? qualityText(tag.status) : "");
    write(old, tag ? age(tag.time) : "");
    if (row.dataset.drawn !== `${tag?.row}/${seen.beats}`) {
      row.dataset.drawn = `${tag?.row}/${seen.beats}`;
      course.replaceChildren(...(tag ? [spark(seen.pasts.get(tag.row), t("tags.course"))] : []));
    }
    const kind = tag ? kindOf(tag.status) : "";
    if (row.dataset.kind === kind) return;
    row.dataset.kind = kind;
    sign.replaceChildren(...(tag ? [quality(kind, t(`quality.${kind}`))] : []));
  }

  function opens(index) {
    const tag = seen.at.get(index);
    if (tag) tagDrawer(tag.name, tag.unit);
  }

  function redrawHead() {
    const search = {
      type: "search",
      "aria-label": t("tags.search"),
      placeholder: t("tags.search"),
      oninput: (event) => filter({ search: event.target.value }),
    };
    draw(head, [
      heading(t("page.tags")).firstChild,
      h("input", search),
      choices(
        t("col.quality"),
        QUALITIES.map((id) => [id, t(id ? `quality.${id}` : "tags.all")]),
        asked.quality,
        (id) => filter({ quality: id }),
      ),
      asked.device &&
        h(
          "button.small",
          { type: "button", onclick: () => filter({ device: "" }) },
          `${t("tags.device", { device: asked.device })} ×`,
        ),
    ]);
  }

  function redrawStatus() {
    const rate = seen.rate === null ? "–" : count(Math.round(seen.rate));
    write(status, seen.total === null ? t("tags.waiting") : t("tags.status", { total: count(seen.total), rate }));
  }

  function hearRate({ readings }) {
    seen.rate = readings.rate;
    redrawStatus();
  }

  const deaf = [on("tags", hear), on("overview", hearRate)];
  /** Once a second: the trends grow by a value, and the ages go on. */
  function beatOnce() {
    seen.beats += 1;
    for (const tag of seen.at.values()) {
      const past = seen.pasts.get(tag.row);
      past.push(typeof tag.value === "number" ? tag.value : null);
      if (past.length > KEPT) past.shift();
    }
    list.repaint();
  }

  const beat = setInterval(beatOnce, 1000);
  redrawHead();
  head.querySelector("input").value = asked.search;
  redrawStatus();
  if (name) tagDrawer(name);
  return {
    view: { topics: ["tags"], ...asked },
    close: () => (deaf.forEach((end) => end()), clearTimeout(waiting), clearInterval(beat), list.close()),
  };
}

function columns() {
  return [
    { label: "", class: "c-sign" },
    { label: t("col.tag"), class: "c-name" },
    { label: t("col.value"), class: "c-value" },
    { label: t("col.unit"), class: "c-unit" },
    { label: t("tags.seen"), class: "c-course" },
    { label: t("col.quality"), class: "c-quality" },
    { label: t("col.age"), class: "c-age" },
  ];
}
