// What becomes of messages: queues, broker, losses, and whether the books balance.

import { draw, h } from "../core/dom.js";
import { bytes, count, span } from "../core/format.js";
import { t } from "../core/i18n.js";
import { on } from "../core/stream.js";
import { health } from "../parts/marks.js";
import { facts, heading, meter, notice, panel } from "../parts/panel.js";

const CLASSES = ["alarm", "event", "telemetry"];
const BROKER = ["acked", "published", "refused", "dropped", "connects", "losses", "failures", "attempts"];
const PIPELINE = ["total", "bad", "suppressed", "not_sent", "dropped", "failed"];

export function open(main) {
  function hear(delivery) {
    draw(main, tree(delivery));
  }

  draw(main, h("p.note", {}, t("waiting")));
  return { view: { topics: ["delivery"] }, close: on("delivery", hear) };
}

function tree(now) {
  return h("div.page", {}, [
    heading(t("page.delivery")),
    now.outbox.failed && notice(t("delivery.failed", { error: now.outbox.last_error }), "bad"),
    way(now),
    h("div.grid", {}, [classes(now.outbox), broker(now.broker), outbox(now), pipeline(now.pipeline)]),
  ]);
}

/** From the devices to the broker, as one line: where it stops is where the colour is. */
function way({ pipeline, outbox, broker }) {
  const waiting = CLASSES.reduce((sum, cls) => sum + (outbox.classes[cls]?.queued ?? 0), 0);
  const lost = (pipeline.readings_dropped_total ?? 0) + (pipeline.readings_failed_total ?? 0);
  const steps = [
    [t("delivery.readings"), count(pipeline.readings_total), lost ? "degraded" : "ok"],
    [t("overview.outbox"), t("overview.messages", { count: count(waiting) }), outbox.failed ? "failed" : "ok"],
    [
      t("overview.broker"),
      broker.connected ? t("broker.there") : t("broker.away"),
      broker.connected ? "ok" : "degraded",
    ],
  ];
  return h(
    "ol.way",
    { "aria-label": t("delivery.way") },
    steps.map(([name, what, state]) =>
      h("li.panel", {}, h("span.row.tight", {}, health(state), h("b", {}, name)), h("span.note", {}, what)),
    ),
  );
}

function classes({ classes: all }) {
  const heads = ["class", "queued", "oldest", "accepted", "acked", "dropped", "books"];
  const head = heads.map((id) => h(id === "class" ? "th" : "th.num", { scope: "col" }, t(`delivery.${id}`)));
  const lines = CLASSES.filter((cls) => all[cls]).map((cls) => {
    const one = all[cls];
    const dropped = Object.entries({ ...one.readings_dropped, ...one.records_dropped }).filter(([, n]) => n);
    const told = dropped.length ? dropped.map(([reason, n]) => `${count(n)} ${reason}`).join(", ") : "0";
    return h("tr", { "data-key": cls }, [
      h("td", {}, t(`class.${cls}`)),
      h("td.num", {}, count(one.queued)),
      h("td.num", {}, one.queued ? span(one.oldest_age) : "–"),
      h("td.num", {}, count(one.accepted)),
      h("td.num", {}, count(one.acked)),
      h(dropped.length ? "td.num.bad" : "td.num", {}, told),
      h(one.balances ? "td.num" : "td.num.bad", {}, one.balances ? t("delivery.balance") : t("delivery.unbalanced")),
    ]);
  });
  const whole = h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, lines));
  const body = h("div.scroll", { tabindex: 0, role: "region", "aria-label": t("delivery.classes") }, whole);
  return panel(t("delivery.classes"), body, { bare: true, span: 12 });
}

function broker(one) {
  const state = h(
    "span.row.tight.end",
    {},
    health(one.connected ? "ok" : "degraded"),
    one.connected ? t("broker.there") : t("broker.away"),
  );
  const counters = BROKER.filter((name) => name in one).map((name) => [t(`broker.${name}`), count(one[name])]);
  return panel(
    t("overview.broker"),
    facts([[t("col.state"), state], one.why && [t("broker.why"), one.why], ...counters]),
    { span: 4 },
  );
}

function outbox({ outbox: one, free, budget }) {
  const full = budget ? one.disk_bytes / budget : 0;
  return panel(
    t("overview.outbox"),
    [
      meter(full, t("delivery.full")),
      facts([
        [t("delivery.disk"), `${bytes(one.disk_bytes)} / ${bytes(budget)}`],
        [t("delivery.free"), bytes(free)],
        [t("delivery.written"), bytes(one.written_bytes)],
        [t("delivery.fsyncs"), count(one.fsyncs)],
        [
          t("delivery.damaged"),
          h(one.damaged_places ? "span.bad" : "span", {}, `${one.damaged_places} · ${bytes(one.lost_bytes)}`),
        ],
        [t("delivery.epoch"), h("code", {}, one.epoch)],
      ]),
    ],
    { span: 4 },
  );
}

function pipeline(counters) {
  const lines = PIPELINE.map((name) => [name, counters[`readings_${name}_total`]]).filter(([, n]) => n !== undefined);
  const loss = (name, n) => n > 0 && (name === "dropped" || name === "failed");
  const told = lines.map(([name, n]) => [t(`readings.${name}`), h(loss(name, n) ? "span.bad" : "span", {}, count(n))]);
  const rows = [
    ["scored", counters.rows_scored_total],
    ["evaluated", counters.rows_evaluated_total],
  ].filter(([, n]) => n !== undefined);
  return panel(t("delivery.pipeline"), facts([...told, ...rows.map(([name, n]) => [t(`rows.${name}`), count(n)])]), {
    span: 4,
  });
}
