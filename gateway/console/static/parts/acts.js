// What is told of an alarm, and what an operator does to it: the buttons that its state and the user's rights allow, and what they ask.

import { path, post } from "../core/api.js";
import { about } from "../core/format.js";
import { t } from "../core/i18n.js";
import { may } from "../core/session.js";
import { h } from "../core/dom.js";
import { ask, attempt } from "./dialog.js";
import { button } from "./panel.js";

const RIGHTS = { ack: "operate", shelve: "operate", unshelve: "operate", disable: "configure", enable: "configure" };
const TIMES = ["15min", "30min", "1h", "2h", "4h", "8h", "24h"];

/** The gateway's words, and the operator's where they do not hold them. */
export function alarmWords(row) {
  const told = about(row);
  const more = row.comment && !told.includes(row.comment);
  return [told, more && h("div.note", {}, t("alarms.said", { by: row.by || "–", comment: row.comment }))];
}

/** The buttons for one alarm. */
export function alarmActs(row) {
  const allowed = row.acts.filter((act) => may(RIGHTS[act]));
  const buttons = allowed.map((act) =>
    button(t(`act.${act}`), (event) => (event.stopPropagation(), perform(act, row.asset)), {
      small: true,
      kind: act === "ack" ? "first" : null,
    }),
  );
  return h("span.acts", {}, buttons);
}

async function perform(act, asset) {
  const comment = {
    name: "comment",
    label: t("act.comment"),
    maxlength: 1024,
    required: act === "shelve" || act === "disable",
  };
  const time = { name: "for", label: t("act.for"), options: TIMES.map((one) => [one, t(`time.${one}`)]), value: "1h" };
  const given = await ask({
    title: `${t(`act.${act}`)}: ${asset}`,
    text: t(`act.${act}.means`),
    action: t(`act.${act}`),
    fields: act === "shelve" ? [time, comment] : [comment],
  });
  if (given)
    await attempt(
      () => post(path`/alarms/${asset}/${act}`, given),
      (said) => said.text,
    );
}
