// Certificates: the gateway's own, and those of servers, to be trusted or not.

import { get, path, post } from "../core/api.js";
import { draw, h } from "../core/dom.js";
import { day, word } from "../core/format.js";
import { t } from "../core/i18n.js";
import { may } from "../core/session.js";
import { ask, attempt, say } from "../parts/dialog.js";
import { health } from "../parts/marks.js";
import { button, heading, panel } from "../parts/panel.js";
import { table } from "../parts/table.js";

const SOON = 30; // days
const DECISIONS = { server: ["trust", "reject"], rejected: ["trust"], barred: ["trust"], trusted: ["reject"] };

export function open(main) {
  const now = { certificates: [] };
  const list = table({
    label: t("page.certificates"),
    columns: columns(decide),
    key: (row) => `${row.role}/${row.place}/${row.fingerprint}`,
    empty: t("certs.none"),
    redraw,
  });

  async function load() {
    try {
      now.certificates = (await get("/certificates")).certificates;
    } catch (error) {
      say(error.message, true);
    }
    redraw();
  }

  async function decide(row, decision) {
    const sure = await ask({
      title: t(`certs.${decision}.title`),
      text: h(
        "div.stack",
        {},
        h("p", {}, row.subject),
        h("p.mono.break", {}, spaced(row.fingerprint)),
        h("p.note", {}, t(`certs.${decision}.means`)),
      ),
      action: t(`certs.${decision}`),
      danger: decision === "reject",
    });
    if (!sure) return;
    await attempt(() => post(path`/certificates/${row.fingerprint}/${decision}`), t(`certs.${decision}.done`));
    await load();
  }

  function redraw() {
    draw(
      main,
      h(
        "div.page",
        {},
        heading(t("page.certificates")),
        panel(t("certs.all"), list.tree(now.certificates), { bare: true }),
      ),
    );
  }

  redraw();
  load();
  return {};
}

function columns(decide) {
  return [
    { id: "state", label: t("col.state"), fit: true, cell: (row) => health(stateOf(row)), by: (row) => row.days },
    { id: "role", label: t("certs.role"), fit: true, cell: (row) => word("cert", row.role), by: (row) => row.role },
    { id: "subject", label: t("certs.subject"), cell: subject, line: true, by: (row) => row.subject },
    { id: "adapter", label: t("certs.adapter"), fit: true, cell: (row) => row.adapter, hide: "wide" },
    {
      id: "expires",
      label: t("certs.expires"),
      fit: true,
      cell: (row) => day(row.expires),
      by: (row) => row.expires,
      hide: "narrow",
    },
    { id: "days", label: t("certs.days"), num: true, fit: true, cell: days, by: (row) => row.days },
    { id: "acts", label: t("col.acts"), fit: true, cell: (row) => acts(row, decide) },
  ];
}

function stateOf({ days: left, role }) {
  if (role === "rejected" || role === "barred") return "ok";
  return left < 0 ? "failed" : left < SOON ? "degraded" : "ok";
}

function subject(row) {
  return [
    h("div", { title: row.place }, row.subject),
    h("small.mono.note", {}, row.fingerprint.slice(0, 16)),
    row.remark && h("div.note", {}, row.remark),
  ];
}

function days(row) {
  return h(row.days < 0 ? "span.bad.strong" : row.days < SOON ? "span.warn.strong" : "span", {}, Math.floor(row.days));
}

function acts(row, decide) {
  if (!may("configure")) return null;
  const possible = DECISIONS[row.role] ?? [];
  return h(
    "span.acts",
    {},
    possible.map((one) =>
      button(t(`certs.${one}`), () => decide(row, one), { small: true, kind: one === "trust" ? "first" : "danger" }),
    ),
  );
}

function spaced(fingerprint) {
  return fingerprint.replace(/(..)(?=.)/g, "$1:");
}
