// The machine under the gateway, as gauges; what nobody can see there is said to be unknown, not full or empty.

import { h } from "../core/dom.js";
import { bytes, percent } from "../core/format.js";
import { t } from "../core/i18n.js";
import { meter } from "./panel.js";

/** What is drawn: of each its name, how much of it is taken (0 to 1; null: nobody knows) and what is said of it. */
export function figures(machine, outbox) {
  const cpu = machine.cpu === null ? null : machine.cpu / machine.cpus;
  const written = `${bytes(machine.written_per_day)} ${t("overview.a_day")}`;
  return [
    [t("overview.cpu"), cpu, percent(cpu)],
    [t("overview.memory"), machine.memory_share, bytes(machine.memory)],
    [t("overview.disk"), 1 - machine.disk_free / machine.disk_total, free(machine.disk_free)],
    [t("overview.flash"), machine.wear, machine.wear === null ? written : percent(machine.wear)],
    [t("overview.outbox"), outbox.disk_bytes / outbox.budget, bytes(outbox.disk_bytes)],
  ];
}

/** One line for each of them. */
export function gauges(machine, outbox) {
  return figures(machine, outbox).map(([name, part, text]) =>
    h("div.gauge", {}, h("span", {}, name), shown(name, part), h("span.num", {}, text)),
  );
}

function shown(name, part) {
  if (part === null) return h("span.note", {}, t("overview.unknown"));
  return meter(part, `${name} ${percent(part)}`);
}

function free(size) {
  return t("overview.free", { size: bytes(size) });
}
