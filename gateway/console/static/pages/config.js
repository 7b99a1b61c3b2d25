// The configuration: what it comes to and where each value was written, what a change would do, and taking it up.

import { get, post } from "../core/api.js";
import { draw, h } from "../core/dom.js";
import { now as clock } from "../core/format.js";
import { t } from "../core/i18n.js";
import { note } from "../core/router.js";
import { may, me } from "../core/session.js";
import { ask, attempt } from "../parts/dialog.js";
import { button, choices, heading, notice, panel } from "../parts/panel.js";
import { documents } from "./config_values.js";
import { history, plan } from "./config_changes.js";

const VIEWS = ["values", "plan", "history"];
const TIMES = [
  ["60", "1min"],
  ["300", "5min"],
  ["1800", "30min"],
  ["", "for_good"],
];

/** Whether what is to be shown has not come yet. */
function waiting({ view, config, plan: found, history: past }) {
  return !{ values: config, plan: found, history: past }[view];
}

export function open(main, { query }) {
  const now = {
    view: VIEWS.includes(query.view) ? query.view : "values",
    config: null,
    pending: null,
    plan: null,
    history: null,
    opened: new Set([t("config.main")]),
    search: "",
    wrong: "",
  };

  // -- what is looked at ----------------------------------------------------------------------------------------------

  function choose(view) {
    now.view = view;
    note("config", "", { view });
    redraw();
    load(LOADERS[view]);
  }

  /** Fetch one thing; a plant of thousands of tags takes seconds for its values, so that each is fetched by itself. */
  async function load(what) {
    try {
      Object.assign(now, await what(), { wrong: "" });
    } catch (error) {
      now.wrong = error.message;
    }
    redraw();
  }

  async function values() {
    const config = await get("/config");
    return { config, pending: config.pending };
  }

  const LOADERS = {
    values: () => (now.config ? {} : values()),
    plan: async () => ({ plan: await post("/config/plan") }),
    history: async () => ({ history: (await get("/config/history")).changes }),
  };

  // -- what is done ---------------------------------------------------------------------------------------------------

  async function apply() {
    const given = await ask({
      title: t("config.apply"),
      text: t("config.apply.means"),
      action: t("config.apply"),
      danger: true,
      fields: [
        {
          name: "confirm",
          label: t("config.confirm_within"),
          options: TIMES.map(([id, time]) => [id, t(`time.${time}`)]),
          value: "300",
        },
      ],
    });
    if (!given) return;
    const confirm = given.confirm ? Number(given.confirm) : null;
    const done = await attempt(
      () => post("/config/apply", { confirm }),
      confirm ? t("config.applied_for_now") : t("config.applied"),
    );
    if (done && confirm) now.pending = { until: clock() + 1000 * confirm, by: me().user };
    await followed();
  }

  async function settle(how) {
    if (await attempt(() => post(`/config/${how}`), t(`config.${how}.done`))) now.pending = null;
    await followed();
  }

  /** What is shown is of before. */
  async function followed() {
    Object.assign(now, { config: null, plan: null, history: null });
    redraw();
    await load(LOADERS[now.view]);
  }

  // -- what is drawn --------------------------------------------------------------------------------------------------

  function pending({ until, by }) {
    const left = Math.max(0, Math.ceil((until - clock()) / 1000));
    return h("div.notice.warn.row", { role: "status" }, [
      h("span.count-down", {}, `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`),
      h("span.grow", {}, t("config.pending", { by: by || "–" })),
      may("configure") && button(t("config.confirm"), () => settle("confirm"), { kind: "first" }),
      may("configure") && button(t("config.revert"), () => settle("revert"), { kind: "danger" }),
    ]);
  }

  function turn(name) {
    if (!now.opened.delete(name)) now.opened.add(name);
    redraw();
  }

  function filter(event) {
    now.search = event.target.value.toLowerCase();
    redraw();
  }

  function redraw() {
    const search = {
      type: "search",
      "aria-label": t("config.search"),
      placeholder: t("config.search"),
      oninput: filter,
    };
    const changes = now.plan?.changes.length ?? 0;
    draw(
      main,
      h("div.page", {}, [
        heading(t("page.config"), [
          choices(
            t("config.views"),
            VIEWS.map((id) => [id, t(`config.${id}`)]),
            now.view,
            choose,
          ),
          now.view === "values" && h("input", search),
          now.view === "plan" &&
            may("configure") &&
            button(t("config.apply"), apply, { kind: "first", disabled: !changes }),
          now.view === "plan" && button(t("config.again"), followed),
        ]),
        !now.wrong && waiting(now) && h("p.note", { role: "status" }, t("waiting")),
        now.wrong && notice(now.wrong, "bad"),
        now.config?.problems && h("pre.notice.bad", { role: "alert" }, now.config.problems),
        now.pending && pending(now.pending),
        now.view === "values" &&
          now.config &&
          !now.config.problems &&
          documents(now.config, now.search, now.opened, turn),
        now.view === "plan" && now.plan && panel(t("config.plan"), plan(now.plan), { bare: true }),
        now.view === "history" && now.history && panel(t("config.history"), history(now.history), { bare: true }),
      ]),
    );
  }

  /** Once a second while something waits to be confirmed: the seconds that are left; then what came of it. */
  function countDown() {
    if (!now.pending) return;
    if (now.pending.until <= clock()) {
      now.pending = null;
      followed();
    }
    redraw();
  }

  const beat = setInterval(countDown, 1000);
  choose(now.view);
  if (now.view !== "values") load(LOADERS.values); // whether something waits to be confirmed
  return { close: () => clearInterval(beat) };
}
