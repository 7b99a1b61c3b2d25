// A question with fields, and the short word afterwards. The browser's own dialog keeps the keyboard inside.

import { h } from "../core/dom.js";
import { t } from "../core/i18n.js";

/**
 * Ask; a promise of the fields' values by name, or null when it was given up.
 *
 * @param {{title: string, text?: string|Node, action: string, danger?: boolean, check?: (values: any) => string|null,
 *   fields?: {name: string, label: string, kind?: string, value?: string, required?: boolean,
 *   options?: [string, string][], hint?: string}[]}} question `check` gives what is wrong with the values.
 */
export function ask({ title, text, action, danger = false, fields = [], check = () => null }) {
  return new Promise((resolve) => {
    const wrong = h("p.bad", { role: "alert", hidden: true });
    const dialog = h("dialog", { "aria-labelledby": "question" });

    function submit(event) {
      event.preventDefault();
      const values = Object.fromEntries(new FormData(event.target));
      wrong.textContent = check(values) ?? "";
      wrong.hidden = !wrong.textContent;
      if (wrong.hidden) finish(values);
    }

    function finish(values) {
      dialog.close();
      dialog.remove();
      resolve(values);
    }

    const buttons = h(
      "div.actions",
      {},
      h("button", { type: "button", onclick: () => finish(null) }, t("do.cancel")),
      h(danger ? "button.danger" : "button.first", { type: "submit" }, action),
    );
    const words = typeof text === "string" ? h("p.note", {}, text) : text;
    const form = h(
      "form",
      { onsubmit: submit },
      h("h2", { id: "question" }, title),
      words,
      fields.map(field),
      wrong,
      buttons,
    );
    dialog.append(form);
    dialog.addEventListener("cancel", () => finish(null));
    document.body.append(dialog);
    dialog.showModal();
  });
}

function field({ name, label, kind = "text", value = "", required = false, options = null, hint = null, ...more }) {
  const given = { name, required, autocomplete: "off", ...more };
  const input = options
    ? h(
        "select",
        given,
        options.map(([id, text]) => h("option", { value: id, selected: id === value }, text)),
      )
    : kind === "textarea"
      ? h("textarea", { ...given, rows: 3 }, value)
      : h("input", { ...given, type: kind, value });
  return h("label.field", {}, h("span", {}, label), input, hint && h("span.note", {}, hint));
}

/** Say shortly that something was done, or why it was not. */
export function say(text, bad = false) {
  const one = h(bad ? "div.toast.bad" : "div.toast", {}, text);
  const place = document.querySelector(".toasts");
  place.append(one);
  setTimeout(() => one.remove(), bad ? 9000 : 4000);
}

/** Do something that the gateway may refuse, and say what came of it. True when it was done. */
export async function attempt(act, done) {
  try {
    const answer = await act();
    if (done) say(typeof done === "function" ? done(answer) : done);
    return true;
  } catch (error) {
    say(error.message, true);
    return false;
  }
}
