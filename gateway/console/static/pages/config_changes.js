// What a change of the configuration does, and what was changed before.

import { h } from "../core/dom.js";
import { moment, word } from "../core/format.js";
import { t } from "../core/i18n.js";

const SIGNS = { added: "+", removed: "−", changed: "~" };

/** A plan: each thing that comes, goes or changes. */
export function plan({ changes, counts, restart = [] }) {
  if (!changes.length) return h("p.empty", {}, t("plan.none"));
  const late = restart.length > 0 && h("p.empty.warn", {}, t("plan.restart", { options: restart.join(", ") }));
  return [h("p.empty", {}, summary(counts)), late, h("div.changes", {}, changes.map(change))];
}

function summary(counts) {
  return Object.entries(counts)
    .filter(([, n]) => n)
    .map(([what, n]) => `${word("plan", what)}: ${n}`)
    .join(" · ");
}

function change({ kind, what, name, options }) {
  const lines = Object.entries(options).map(([option, { old, new: fresh }]) =>
    h("li.mono", {}, h("span", {}, `${option}: `), h("del", {}, shown(old)), " → ", h("ins", {}, shown(fresh))),
  );
  return h(`div.change.${kind}`, { "data-key": `${what}/${name}` }, [
    h("span.sign", { role: "img", "aria-label": t(`plan.${kind}`) }, SIGNS[kind]),
    h(
      "div",
      {},
      h("span.note", {}, `${word("plan", what)} `),
      h("b", {}, name),
      lines.length > 0 && h("ul", {}, lines),
    ),
  ]);
}

/** What has run, the latest first: since when, by whom, and what came of it. */
export function history(changes) {
  if (!changes.length) return h("p.empty", {}, t("config.no_history"));
  const lines = changes.map(({ number, applied, by, comment, end, runs }) =>
    h("tr", { "data-key": number }, [
      h("td.fit.num", {}, number),
      h("td.fit.num", {}, moment(applied)),
      h("td.fit", {}, by || "–"),
      h("td.fit", {}, runs ? h("b", {}, t("config.runs")) : end ? h("span.warn", {}, end) : t("config.followed")),
      h("td", {}, comment || "–"),
    ]),
  );
  const head = ["number", "since", "by", "end", "comment"].map((id) =>
    h(id === "number" || id === "since" ? "th.num" : "th", { scope: "col" }, t(`config.col.${id}`)),
  );
  return h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, lines));
}

function shown(value) {
  return value === undefined || value === null ? "–" : typeof value === "string" ? value : JSON.stringify(value);
}
