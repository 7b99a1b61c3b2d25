// The login, and the change of a password that somebody else has made.

import { draw, h } from "../core/dom.js";
import { language, languages, speak, t } from "../core/i18n.js";
import { changePassword, login, me } from "../core/session.js";
import { icon } from "../parts/icons.js";

/** Fill `body` with the login; `done` is called when somebody is in. Gives what closes it. */
export function openLogin(body, reason, done) {
  const main = h("main.login", { id: "main" });
  body.replaceChildren(main);
  const now = { wrong: reason === "session" ? t("login.ended") : "", busy: false };

  async function submit(event) {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(event.target));
    now.busy = true;
    redraw();
    try {
      await (me() ? renew(given) : login(given.user, given.password));
      if (me().change_password) now.wrong = "";
      else return done();
    } catch (error) {
      now.wrong = error.message;
    }
    now.busy = false;
    redraw();
    main.querySelector("input").focus();
  }

  async function renew({ old, fresh, again }) {
    if (fresh !== again) throw new Error(t("login.differ"));
    await changePassword(old, fresh);
  }

  async function change(event) {
    await speak(event.target.value);
    redraw();
  }

  function redraw() {
    draw(main, tree(now, submit, change));
  }

  redraw();
  main.querySelector("input").focus();
  return () => {};
}

function tree({ wrong, busy }, submit, change) {
  const renewing = me() !== null;
  const fields = renewing
    ? [
        field("old", t("login.old"), "password", "current-password"),
        field("fresh", t("login.fresh"), "password", "new-password"),
        field("again", t("login.again"), "password", "new-password"),
      ]
    : [
        field("user", t("login.user"), "text", "username"),
        field("password", t("login.password"), "password", "current-password"),
      ];
  return h("form.panel", { onsubmit: submit, "data-key": renewing ? "renew" : "login" }, [
    h("div.row", {}, icon("gate"), h("h1", {}, "Fieldgate")),
    h("p.note", {}, renewing ? t("login.renew", { user: me().user }) : t("login.hint")),
    fields,
    h("p.bad", { role: "alert" }, wrong),
    h("button.first", { type: "submit", disabled: busy }, renewing ? t("login.change") : t("login.enter")),
    h(
      "select",
      { "aria-label": t("frame.language"), onchange: change },
      languages.map(([code, name]) => h("option", { value: code, selected: code === language() }, name)),
    ),
  ]);
}

function field(name, label, kind, complete) {
  const box = { name, type: kind, required: true, autocomplete: complete, autocapitalize: "none", spellcheck: "false" };
  return h("label.field", { "data-key": name }, h("span", {}, label), h("input", box));
}
