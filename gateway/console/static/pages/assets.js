// All assets, or one of them.

import { draw, h } from "../core/dom.js";
import { t } from "../core/i18n.js";
import { on } from "../core/stream.js";
import { assetTable, urgentFirst } from "../parts/assets.js";
import { heading, panel } from "../parts/panel.js";
import { openAsset } from "./asset.js";

export function open(main, { name }) {
  return name ? openAsset(main, name) : openAll(main);
}

function openAll(main) {
  let assets = [];
  const whole = assetTable(redraw);

  function redraw() {
    const list = panel(t("assets.count", { count: assets.length }), whole.tree(urgentFirst(assets)), { bare: true });
    draw(main, h("div.page", {}, heading(t("page.assets")), list));
  }

  function hear(overview) {
    assets = overview.assets;
    redraw();
  }

  return { close: on("overview", hear) };
}
