// The latest lines of the log, by level and words; new ones are added while one reads.

import { get } from "../core/api.js";
import { draw, h } from "../core/dom.js";
import { moment } from "../core/format.js";
import { t } from "../core/i18n.js";
import { note } from "../core/router.js";
import { button, choices, heading } from "../parts/panel.js";

const LEVELS = ["debug", "info", "warning", "error"];
const EVERY = 2000; // ms
const KEPT = 1000; // lines

export function open(main, { query }) {
  const asked = { level: LEVELS.includes(query.level) ? query.level : "info", search: query.search ?? "" };
  const now = { lines: [], last: 0, still: false, wrong: "" };
  let wait = null;
  let turn = 0;

  async function load(fresh) {
    const mine = fresh ? (turn += 1) : turn;
    try {
      const found = await get("/logs", { ...asked, after: fresh ? 0 : now.last, most: 500 });
      if (mine !== turn) return;
      now.lines = [...(fresh ? [] : now.lines), ...found.lines].slice(-KEPT);
      now.last = found.last;
      now.wrong = "";
    } catch (error) {
      now.wrong = error.message;
    }
    redraw();
  }

  function filter(change) {
    Object.assign(asked, change);
    note("logs", "", asked);
    clearTimeout(wait);
    wait = setTimeout(() => load(true), 200);
  }

  function redraw() {
    const list = main.querySelector(".log");
    const below = !list || list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    draw(main, tree());
    const fresh = main.querySelector(".log");
    if (below) fresh.scrollTop = fresh.scrollHeight;
  }

  function tree() {
    const search = {
      type: "search",
      "aria-label": t("logs.search"),
      placeholder: t("logs.search"),
      oninput: (event) => filter({ search: event.target.value }),
    };
    return h("div.page.full", {}, [
      heading(t("page.logs"), [
        choices(
          t("logs.level"),
          LEVELS.map((id) => [id, t(`level.${id}`)]),
          asked.level,
          (level) => (filter({ level }), redraw()),
        ),
        h("input", search),
        button(now.still ? t("logs.go_on") : t("logs.hold"), () => ((now.still = !now.still), redraw()), {
          pressed: now.still,
        }),
        now.wrong && h("span.bad", { role: "alert" }, now.wrong),
      ]),
      h(
        "div.log.panel",
        { tabindex: 0, role: "log", "aria-label": t("page.logs") },
        now.lines.length ? now.lines.map(line) : h("p.empty", {}, t("logs.none")),
      ),
    ]);
  }

  redraw();
  main.querySelector("input").value = asked.search;
  load(true);
  const beat = setInterval(() => !now.still && !document.hidden && load(false), EVERY);
  return { close: () => (clearInterval(beat), clearTimeout(wait), (turn += 1)) };
}

function line({ number, time, level, event, text }) {
  return h(`div.logline.${level}`, { "data-key": number }, [
    h("span.when", {}, moment(time)),
    h("span.level", {}, t(`level.${level}`)),
    h("b", {}, event),
    h("span.rest", {}, text),
  ]);
}
