// One asset: is it abnormal, by what, and what may be answered.

import { get, path, post } from "../core/api.js";
import { draw, h } from "../core/dom.js";
import { age, fixed, percent, reading, told, word } from "../core/format.js";
import { t } from "../core/i18n.js";
import { address } from "../core/router.js";
import { may } from "../core/session.js";
import { on } from "../core/stream.js";
import { alarmActs, alarmWords } from "../parts/acts.js";
import { phase } from "../parts/assets.js";
import { ask, attempt } from "../parts/dialog.js";
import { alarm, quality, signal } from "../parts/marks.js";
import { versions } from "../parts/models.js";
import { button, facts, heading, measured, meter, notice, panel } from "../parts/panel.js";
import { kindOf, qualityName } from "../parts/quality.js";
import { table } from "../parts/table.js";
import { trends } from "./asset_trends.js";

const RIGHTS = { accept: "configure", recalibrate: "configure", fault: "operate" };

export function openAsset(main, name) {
  let now = null;
  const tags = table({
    label: t("asset.tags"),
    columns: columns(),
    key: (row) => row.tag,
    empty: t("asset.no_tags"),
    redraw,
  });
  const past = h("div.span-8.stack", { "data-own": "trends" });
  let course = null;

  function redraw() {
    if (!now) return;
    draw(main, tree(now, tags, past));
    course ??= trends(main.querySelector('[data-own="trends"]'), name, now.recorded);
  }

  function hear(asset) {
    if (asset.asset !== name) return;
    now = asset;
    redraw();
  }

  draw(main, h("p.note", {}, t("waiting")));
  const deaf = on("asset", hear);
  get(path`/assets/${name}`).then(hear, (error) => draw(main, missing(name, error)));
  return { view: { topics: ["asset"], asset: name }, close: () => (deaf(), course?.close()) };
}

function missing(name, error) {
  return h("div.page", {}, heading(name), notice(error.message, "bad"));
}

function tree(now, tags, past) {
  const back = h("a", { href: address("assets") }, t("page.assets"));
  return h("div.page", {}, [
    h("header", {}, [
      back,
      h("span.note", {}, "›"),
      signal(now.signal),
      h("h1", {}, now.asset),
      h("span.grow"),
      h("a.button", { href: address("why", now.asset) }, t("page.why")),
    ]),
    now.alarm_row && standing(now.alarm_row),
    now.message && !now.alarm_row && notice(now.message),
    h("div.grid", {}, [
      past.cloneNode(false),
      h("div.span-4.stack", {}, [
        judged(now),
        now.answers.length > 0 && answers(now),
        now.versions && versions(now.versions),
      ]),
      panel(t("asset.tags"), tags.tree(ranked(now.tags)), { bare: true, span: 12 }),
    ]),
  ]);
}

// -- how it stands ----------------------------------------------------------------------------------------------------

function standing(row) {
  const urgent = row.state.startsWith("active");
  const acts = alarmActs(row);
  return h(urgent ? "div.notice.bad.row" : "div.notice.row", {}, [
    alarm(row.severity, row.state),
    h("span.strong", {}, word("alarm", row.state)),
    h("div.grow", {}, alarmWords(row)),
    h("span.note", {}, age(row.since)),
    acts,
  ]);
}

function judged(now) {
  const above = now.score !== null && now.score > now.threshold;
  const big = h(
    above ? "div.big.bad" : "div.big",
    {},
    fixed(now.score ?? NaN),
    " ",
    h("small", {}, t("asset.of", { threshold: fixed(now.threshold ?? NaN) })),
  );
  const share = now.phase === "calibrating" && now.needed ? now.rows / now.needed : null;
  return panel(t("asset.judged"), [
    big,
    share !== null &&
      h("div.learning", {}, meter(share, phase(now), { warn: 2, bad: 2 }), h("span.note", {}, phase(now))),
    facts([
      [t("col.detector"), word("phase", now.phase)],
      [t("col.model"), [now.model, now.version].filter(Boolean).join(" ")],
      [t("col.severity"), word("severity", now.severity)],
      [t("col.alarm"), word("alarm", now.alarm)],
      [t("asset.recording"), now.recorded ? t("yes") : t("no")],
    ]),
  ]);
}

function answers(now) {
  const give = async (answer) => {
    const sure = await ask({
      title: t(`answer.${answer}`),
      text: t(`answer.${answer}.means`, { asset: now.asset }),
      action: t(`answer.${answer}`),
      danger: answer === "recalibrate",
    });
    if (sure)
      await attempt(
        () => post(path`/assets/${now.asset}/${answer}`),
        (said) => said.text,
      );
  };
  const buttons = now.answers.map((answer) =>
    button(t(`answer.${answer}`), () => give(answer), { disabled: !may(RIGHTS[answer]) }),
  );
  return panel(t("asset.answer"), [h("p.note", {}, t("asset.answer.hint")), h("div.row.gap", {}, buttons)]);
}

// -- its tags ---------------------------------------------------------------------------------------------------------

function ranked(tags) {
  return [...tags].sort((a, b) => Math.abs(b.contribution ?? 0) - Math.abs(a.contribution ?? 0));
}

function columns() {
  return [
    {
      id: "quality",
      label: t("col.quality"),
      fit: true,
      cell: (row) => quality(kindOf(row.status), qualityName(row.status)),
    },
    {
      id: "tag",
      label: t("col.tag"),
      cell: (row) => h("a", { href: address("tags", row.tag) }, row.tag),
      by: (row) => row.tag,
    },
    {
      id: "value",
      label: t("col.value"),
      num: true,
      fit: true,
      cell: (row) => measured(reading(row.value), told(row.unit, row.text)),
    },
    {
      id: "expected",
      label: t("col.expected"),
      num: true,
      fit: true,
      cell: (row) => measured(reading(row.expected), row.unit),
      hide: "narrow",
    },
    {
      id: "share",
      label: t("col.share"),
      num: true,
      fit: true,
      cell: share,
      by: (row) => -Math.abs(row.contribution ?? 0),
    },
    { id: "age", label: t("col.age"), num: true, fit: true, cell: (row) => age(row.time), hide: "narrow" },
    {
      id: "why",
      label: "",
      fit: true,
      cell: (row) => h("a", { href: address("why", row.tag) }, t("page.why")),
      hide: "wide",
    },
  ];
}

function share(row) {
  if (row.contribution === null) return "–";
  return h(
    "span.share",
    {},
    meter(Math.abs(row.contribution), percent(row.contribution), { warn: 0.5, bad: 2 }),
    percent(row.contribution),
  );
}
