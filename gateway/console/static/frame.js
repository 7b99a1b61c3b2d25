// The frame around the pages: what stands on top (the gateway, its most urgent alarm, its clock), and the pages' names.

import { draw, h } from "./core/dom.js";
import { about, moment, now, setClock, word } from "./core/format.js";
import { language, languages, speak, t } from "./core/i18n.js";
import { address, here } from "./core/router.js";
import { logout, may, me } from "./core/session.js";
import { look, on } from "./core/stream.js";
import { nextTheme, theme } from "./core/theme.js";
import { attempt } from "./parts/dialog.js";
import { closeDrawer } from "./parts/drawer.js";
import { icon } from "./parts/icons.js";
import { alarm, health } from "./parts/marks.js";

// the pages in the order of the rail: name, and the right that it takes to see it
const PAGES = [
  ["overview", "look"],
  ["alarms", "look"],
  ["assets", "look"],
  ["tags", "look"],
  ["why", "look"],
  ["delivery", "look"],
  ["config", "look"],
  ["certificates", "look"],
  ["logs", "look"],
  ["support", "configure"],
  ["users", "administer"],
];

/** Fill `body` with the frame and keep the page in it that the address names. `left` is called after a logout. */
export function openFrame(body, left) {
  const bar = h("header.bar");
  const rail = h("nav.rail", { "aria-label": t("frame.pages") });
  const main = h("main", { id: "main", tabindex: -1 });
  const skip = h("a.skip", { href: "#main", onclick: toMain }, t("frame.skip"));
  body.replaceChildren(skip, h("div.frame", {}, bar, rail, main), h("div.toasts", { role: "status" }));
  const seen = { overview: null, live: false, page: null, turn: 0 };

  function toMain(event) {
    event.preventDefault();
    main.focus();
  }

  async function leave() {
    if (await attempt(logout)) left();
  }

  async function changeLanguage(event) {
    await speak(event.target.value);
    redraw();
    await showPage();
  }

  function redraw() {
    draw(
      bar,
      barTree(seen, {
        leave,
        changeLanguage,
        turnTheme: () => (nextTheme(), redraw()),
        menu: () => rail.classList.toggle("out"),
      }),
    );
    draw(rail, railTree());
  }

  async function showPage() {
    const turn = (seen.turn += 1);
    const { page, name, query } = here();
    const known = PAGES.some(([id, right]) => id === page && may(right)) ? page : "overview";
    closeDrawer();
    rail.classList.remove("out");
    const { open } = await import(`./pages/${known}.js`);
    if (turn !== seen.turn) return;
    seen.page?.close?.();
    const place = h("div.place", { "data-page": known }); // of this page alone: what it draws after its end nobody sees
    main.replaceChildren(place);
    main.scrollTop = 0;
    seen.page = open(place, { name, query });
    look(seen.page.view ?? {});
    document.title = `${t(`page.${known}`)} · ${me().gateway} · Fieldgate`;
    redraw();
  }

  function hear(overview) {
    setClock(overview.time);
    seen.overview = overview;
    redraw();
  }

  function hearLive(event) {
    seen.live = event.detail;
    redraw();
  }

  const deaf = on("overview", hear);
  const beat = setInterval(redraw, 1000);
  addEventListener("hashchange", showPage);
  addEventListener("live", hearLive);
  redraw();
  showPage();

  return () => {
    seen.turn += 1;
    seen.page?.close?.();
    deaf();
    clearInterval(beat);
    removeEventListener("hashchange", showPage);
    removeEventListener("live", hearLive);
  };
}

function barTree({ overview, live }, { leave, changeLanguage, turnTheme, menu }) {
  const look_ = t("frame.theme", { theme: t(`theme.${theme()}`) });
  return [
    h("button.plain.icon.menu", { type: "button", "aria-label": t("frame.menu"), onclick: menu }, icon("menu")),
    h("a.brand.plain", { href: address("overview") }, icon("gate"), h("span", {}, me().gateway)),
    overview &&
      h(
        "span.row.tight.narrow",
        { title: word("health", overview.state) },
        health(overview.state),
        h("span.wide", {}, word("health", overview.state)),
      ),
    h("div.grow", {}, live ? banner(overview) : h("span.bad.strong", { role: "status" }, t("frame.lost"))),
    h("span.clock", {}, moment(now())),
    h("div.tools", {}, [
      h(
        "select.narrow",
        { "aria-label": t("frame.language"), onchange: changeLanguage },
        languages.map(([code, name]) => h("option", { value: code, selected: code === language() }, name)),
      ),
      h("button.plain.icon", { type: "button", "aria-label": look_, title: look_, onclick: turnTheme }, icon(theme())),
      h("span.note.wide", { title: word("role", me().role) }, me().user),
      h("button.plain.small", { type: "button", onclick: leave }, t("frame.logout")),
    ]),
  ];
}

/** The most urgent alarm that nobody has acknowledged, and how many there are. */
function banner(overview) {
  if (!overview) return null;
  const open = overview.standing.filter((one) => one.state.endsWith("unacknowledged"));
  const [first] = open;
  if (!first) return h("a.banner", { href: address("alarms") }, h("span.text", {}, t("frame.calm")));
  const all = Object.values(overview.figures.unacknowledged).reduce((a, b) => a + b, 0);
  return h("a.banner", { href: address("alarms") }, [
    alarm(first.severity, first.state),
    h("span.strong", {}, first.asset),
    h("span.text", {}, about(first) || word("alarm", first.state)),
    all > 1 && h("span.tag", {}, t("frame.more", { count: all - 1 })),
  ]);
}

function railTree() {
  const { page } = here();
  const pages = PAGES.filter(([, right]) => may(right)).map(([id]) =>
    h(
      "a",
      { href: address(id), "aria-current": page === id ? "page" : null, "data-key": id },
      icon(id),
      h("span", {}, t(`page.${id}`)),
    ),
  );
  const docs = h("a", { href: "docs/", target: "_blank", "data-key": "docs" }, icon("docs"), h("span", {}, t("frame.docs")));
  return [...pages, h("hr"), docs];
}
