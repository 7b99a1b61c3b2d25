// Everything at a glance: what is abnormal first, then how the gateway itself is.

import { draw, h } from "../core/dom.js";
import { about, age, byName, count, fixed, span, word } from "../core/format.js";
import { t } from "../core/i18n.js";
import { address } from "../core/router.js";
import { on } from "../core/stream.js";
import { assetTable, urgentFirst } from "../parts/assets.js";
import { gauges } from "../parts/machine.js";
import { alarm, health, signal } from "../parts/marks.js";
import { facts, heading, panel } from "../parts/panel.js";

const SEVERITIES = ["critical", "high", "medium", "low"];
const SIGNALS = ["failure", "out-of-specification", "function-check", "maintenance-required", "good"];
const CALM = 60; // devices that are good and still shown one by one

export function open(main) {
  let now = null;
  const assets = assetTable(redraw);

  function redraw() {
    if (now) draw(main, tree(now, assets));
  }

  function hear(overview) {
    now = overview;
    redraw();
  }

  return { close: on("overview", hear) };
}

function tree(now, assets) {
  return h("div.page", {}, [
    heading(t("page.overview"), h("span.note", {}, t("overview.up", { version: now.version, time: span(now.uptime) }))),
    h("div.tiles", {}, [alarmTile(now), deviceTile(now), deliveryTile(now), machineTile(now)]),
    h("div.grid", {}, [
      h("div.stack.span-8", {}, [
        standing(now),
        panel(t("page.assets"), assets.tree(urgentFirst(now.assets)), { bare: true }),
      ]),
      h("div.stack.span-4", {}, [devices(now), parts(now)]),
    ]),
  ]);
}

// -- the tiles --------------------------------------------------------------------------------------------------------

function tile(title, href, ...inside) {
  return h("a.tile.panel", { href }, h("h2", {}, title), inside);
}

function counted(sign, name, number) {
  return h("div.count", {}, sign, h("span", {}, name), h(number ? "b" : "b.note", {}, number));
}

function alarmTile({ figures }) {
  const lines = SEVERITIES.map((severity) => {
    const standing = figures.standing[severity] ?? 0;
    const sign = alarm(
      severity,
      standing ? (figures.unacknowledged[severity] ? "active-unacknowledged" : "active-acknowledged") : "normal",
    );
    return counted(sign, word("severity", severity), standing);
  });
  return tile(t("page.alarms"), address("alarms"), h("div.counts", {}, lines));
}

function deviceTile({ devices }) {
  const counts = SIGNALS.filter((state) => state !== "maintenance-required").map((state) => {
    const number = devices.filter((device) => device.signal === state).length;
    const sign = signal(number ? state : "good");
    return counted(sign, word("ne107", state), number);
  });
  return tile(t("overview.devices"), address("tags"), h("div.counts", {}, counts));
}

function deliveryTile({ broker, outbox, readings }) {
  const brokerState = broker.connected ? t("broker.there") : t("broker.away");
  return tile(t("page.delivery"), address("delivery"), [
    facts([
      [t("overview.broker"), h("span.row.tight.end", {}, health(broker.connected ? "ok" : "degraded"), brokerState)],
      [t("overview.waiting"), t("overview.messages", { count: count(outbox.queued) })],
      [t("overview.dropped"), h(outbox.dropped ? "span.bad.strong" : "span", {}, count(outbox.dropped))],
      [t("overview.rate"), readings.rate === null ? "–" : `${count(Math.round(readings.rate))} /s`],
    ]),
  ]);
}

function machineTile({ machine, outbox }) {
  return tile(t("overview.machine"), address("delivery"), gauges(machine, outbox));
}

// -- the lists --------------------------------------------------------------------------------------------------------

function standing({ standing: alarms }) {
  const lines = alarms.map((one) =>
    h("a.line", { href: address("alarms"), "data-key": one.asset }, [
      alarm(one.severity, one.state),
      h(one.state.endsWith("unacknowledged") ? "span.strong" : "span", {}, one.asset),
      h("span.text", { title: one.message }, about(one) || word("alarm", one.state)),
      h("span.num.note", {}, age(one.since)),
    ]),
  );
  const body = lines.length ? h("div.lines", {}, lines) : h("p.empty", {}, t("overview.no_alarms"));
  return panel(t("overview.standing"), body, { bare: true });
}

function devices({ devices: all }) {
  const ranked = [...all].sort(
    (a, b) => SIGNALS.indexOf(a.signal) - SIGNALS.indexOf(b.signal) || byName(a.device, b.device),
  );
  const wrong = ranked.filter((device) => device.signal !== "good");
  const good = ranked.filter((device) => device.signal === "good");
  const told = wrong.map((device) =>
    h("a.line.tall", { href: address("tags", "", { device: device.device }), "data-key": device.device }, [
      signal(device.signal),
      h("span.text", {}, h("b", {}, device.device), h("small", {}, device.text)),
      h("span.num.note", {}, age(device.since)),
    ]),
  );
  const calm = good
    .slice(0, CALM)
    .map((device) =>
      h("a.chip", { href: address("tags", "", { device: device.device }) }, signal("good"), device.device),
    );
  const rest = good.length > CALM && h("span.note", {}, t("overview.more_good", { count: good.length - CALM }));
  return panel(t("overview.devices"), [h("div.lines", {}, told), h("div.chips", {}, calm, rest)], { bare: true });
}

function parts({ parts: all }) {
  const wrong = all.filter((part) => part.state !== "ok" && !part.name.startsWith("device "));
  const lines = wrong.map((part) =>
    h("div.line.tall", { "data-key": part.name }, [
      health(part.state),
      h("span.text", {}, h("b", {}, part.name), h("small", {}, [part.why, part.remedy].filter(Boolean).join("; "))),
      h("span.num.note", {}, age(part.since)),
    ]),
  );
  const body = wrong.length
    ? h("div.lines", {}, lines)
    : h("p.empty", {}, t("overview.parts_ok", { count: fixed(all.length, 0) }));
  return panel(t("overview.parts"), body, { bare: true });
}
