// A user's model: its versions, which of them scores, and how the one in shadow compares.

import { h } from "../core/dom.js";
import { fixed, percent, value, word } from "../core/format.js";
import { t } from "../core/i18n.js";
import { facts, panel } from "./panel.js";

/** The panel for one entry of GET /models. */
export function versions(entry) {
  const lines = Object.entries(entry.versions ?? {}).map(([version, state]) => [
    version,
    h(state === "active" ? "b" : "span", {}, word("version", state)),
  ]);
  const report = entry.comparison ?? entry.report;
  return panel(t("model.title", { model: entry.model }), [
    facts([
      ...lines,
      entry.provider && [t("model.provider"), entry.provider],
      entry.waiting > 0 && [t("model.waiting"), entry.waiting],
    ]),
    report ? comparison(report) : entry.beside && h("p.note.above", {}, t("model.no_comparison")),
  ]);
}

function comparison({ rows, agreement, versions: sides, apart }) {
  const head = ["version", "role", "scored", "alarms", "without", "p99"].map((id) =>
    h("th", { scope: "col", class: id === "version" || id === "role" ? null : "num" }, t(`model.${id}`)),
  );
  const lines = sides.map((side) =>
    h("tr", {}, [
      h("td", {}, side.version),
      h("td", {}, t(`model.${side.role}`)),
      [side.scored, side.alarms, side.without_answer].map((n) => h("td.num", {}, value(n))),
      h("td.num", {}, fixed(side.p99_ms)),
    ]),
  );
  const told = h("p.above", {}, t("model.agree", { rows, agreement: percent(agreement, 1), apart: fixed(apart) }));
  const whole = h("table.compact", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, lines));
  return [told, h("div.scroll", { tabindex: 0, role: "region", "aria-label": t("model.comparison") }, whole)];
}
