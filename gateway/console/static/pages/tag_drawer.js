// The recent past of one tag, at the side of the page.

import { get, path } from "../core/api.js";
import { draw, h } from "../core/dom.js";
import { moment, told, value } from "../core/format.js";
import { t } from "../core/i18n.js";
import { address } from "../core/router.js";
import { chart } from "../parts/chart.js";
import { drawer } from "../parts/drawer.js";
import { choices, facts, notice } from "../parts/panel.js";

const EVERY = 2000; // ms between two looks
const SPANS = [
  ["60", "1min"],
  ["300", "5min"],
  ["600", "10min"],
];

/** Open it for the tag `name`. */
export function tagDrawer(name, unit = "") {
  const now = { span: "300", data: null };
  const body = drawer(name, () => (clearInterval(beat), drawn.close()));
  const pick = h("div");
  const plot = h("div.chart");
  const figures = h("div");
  body.append(pick, plot, figures, h("div.row", {}, h("a.button", { href: address("why", name) }, t("page.why"))));
  const drawn = chart(plot, [{ label: t("col.value"), unit, width: 2 }], { height: 260 });

  async function load() {
    try {
      now.data = await get(path`/tags/${name}/trend`, { span: now.span, points: 600 });
      drawn.set([now.data.time.map((time) => time / 1000), now.data.value]);
      draw(figures, summary(now.data));
    } catch (error) {
      draw(figures, notice(error.message, "bad"));
    }
  }

  function redraw() {
    draw(
      pick,
      choices(
        t("asset.span"),
        SPANS.map(([id, time]) => [id, t(`time.${time}`)]),
        now.span,
        (id) => {
          now.span = id;
          redraw();
          load();
        },
      ),
    );
  }

  const beat = setInterval(() => !document.hidden && load(), EVERY);
  redraw();
  load();
}

function summary({ time, value: column, low, high, unit, text }) {
  const known = column.filter((x) => x !== null);
  if (!known.length) return h("p.note", {}, t("tags.no_trend"));
  const lows = low.filter((x) => x !== null);
  const highs = high.filter((x) => x !== null);
  return facts([
    [t("tags.last"), `${value(known.at(-1))} ${told(unit, text)}`],
    [t("tags.lowest"), `${value(Math.min(...lows))} ${unit}`],
    [t("tags.highest"), `${value(Math.max(...highs))} ${unit}`],
    [t("tags.began"), moment(time[0])],
  ]);
}
