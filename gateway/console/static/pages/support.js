// The support bundle: one file for whoever helps, without secrets.

import { file } from "../core/api.js";
import { draw, h } from "../core/dom.js";
import { bytes } from "../core/format.js";
import { t } from "../core/i18n.js";
import { me } from "../core/session.js";
import { attempt } from "../parts/dialog.js";
import { facts, heading, panel } from "../parts/panel.js";

const HELD = ["config", "status", "metrics", "logs", "versions"];

export function open(main) {
  const now = { busy: false, got: null };

  async function fetchBundle() {
    now.busy = true;
    redraw();
    await attempt(async () => {
      now.got = await file("/bundle");
      save(now.got);
    });
    now.busy = false;
    redraw();
  }

  function redraw() {
    const label = now.busy ? t("support.busy") : t("support.get");
    const body = [
      h("p", {}, t("support.what")),
      h(
        "ul.dots",
        {},
        HELD.map((what) => h("li", {}, t(`support.${what}`))),
      ),
      h("p.note", {}, t("support.secrets")),
      h("div.row.gap", {}, h("button.first", { type: "button", disabled: now.busy, onclick: fetchBundle }, label)),
      now.got && facts([[now.got.name, bytes(now.got.blob.size)]]),
    ];
    const about = facts([
      [t("support.gateway"), me().gateway],
      [t("support.version"), me().version],
    ]);
    draw(
      main,
      h(
        "div.page",
        {},
        heading(t("page.support")),
        h("div.grid", {}, panel(t("support.bundle"), body, { span: 6 }), panel(t("support.about"), about, { span: 6 })),
      ),
    );
  }

  redraw();
  return {};
}

function save({ blob, name }) {
  const href = URL.createObjectURL(blob);
  h("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}
