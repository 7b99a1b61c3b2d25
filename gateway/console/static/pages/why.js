// Why a value or an alarm is missing: the way from the device to the broker, step by step.

import { get, path } from "../core/api.js";
import { draw, h } from "../core/dom.js";
import { age, word } from "../core/format.js";
import { t } from "../core/i18n.js";
import { address, go, note } from "../core/router.js";
import { heading, notice } from "../parts/panel.js";
import { stand } from "../parts/marks.js";

const EVERY = 2000; // ms
const OFFERED = 30; // names

export function open(main, { name }) {
  const now = { name, way: null, wrong: "", offered: [] };
  let wait = null;

  async function load() {
    if (!now.name) return redraw();
    try {
      now.way = await get(path`/why/${now.name}`);
      now.wrong = "";
    } catch (error) {
      now.way = null;
      now.wrong = error.message;
    }
    redraw();
  }

  async function offer(search) {
    const [{ names }, { assets }] = await Promise.all([get("/tags", { search, limit: OFFERED }), get("/assets")]);
    const fitting = assets
      .map((one) => one.asset)
      .filter((asset) => asset.toLowerCase().includes(search.toLowerCase()));
    now.offered = [...fitting.slice(0, OFFERED), ...names];
    redraw();
  }

  function typed(event) {
    const search = event.target.value.trim();
    clearTimeout(wait);
    wait = setTimeout(() => offer(search), 200);
  }

  function asked(event) {
    event.preventDefault();
    now.name = new FormData(event.target).get("name").trim();
    note("why", now.name);
    load();
  }

  function redraw() {
    draw(main, tree(now, { typed, asked }));
  }

  redraw();
  main.querySelector("input").value = name;
  load();
  offer(name);
  const beat = setInterval(() => now.name && !document.hidden && load(), EVERY);
  return { close: () => (clearInterval(beat), clearTimeout(wait)) };
}

function tree({ name, way, wrong, offered }, { typed, asked }) {
  const box = {
    type: "search",
    name: "name",
    list: "names",
    "aria-label": t("why.name"),
    placeholder: t("why.name"),
    autocomplete: "off",
    oninput: typed,
  };
  return h("div.page", {}, [
    heading(t("page.why")),
    h("form.row", { onsubmit: asked }, [
      h("input.long", box),
      h(
        "datalist",
        { id: "names" },
        offered.map((one) => h("option", { value: one })),
      ),
      h("button.first", { type: "submit" }, t("why.ask")),
    ]),
    wrong && notice(wrong, "bad"),
    way && verdict(way),
    way &&
      h(
        "ol.steps",
        { "aria-label": t("why.way") },
        way.steps.map((step) => drawn(step, way.culprit)),
      ),
    !name &&
      h(
        "div.chips",
        {},
        offered.map((one) => h("button.chip", { type: "button", "data-key": one, onclick: () => go("why", one) }, one)),
      ),
  ]);
}

function verdict({ name, kind, culprit, verdict: words, steps }) {
  const step = steps.find((one) => one.step === culprit);
  const tone = step?.stand === "stops" ? "bad" : null;
  const link = kind === "asset" ? address("assets", name) : address("tags", name);
  return notice([h("a.strong", { href: link }, name), h("p", {}, words)], tone);
}

function drawn(step, culprit) {
  const counts = Object.entries(step.counts).filter(([, n]) => typeof n !== "object");
  return h(`li.step.${step.stand}`, { "data-key": step.step, "aria-current": step.step === culprit ? "step" : null }, [
    h("span.node", {}, stand(step.stand)),
    h("div.panel", {}, [
      h(
        "div.row",
        {},
        h("b", {}, word("step", step.step)),
        h("span.grow"),
        step.since && h("span.note", {}, t("why.since", { time: age(step.since) })),
      ),
      h("p", {}, step.text),
      counts.length > 0 && h("p.note", {}, counts.map(([what, n]) => `${what} ${n}`).join(" · ")),
    ]),
  ]);
}
