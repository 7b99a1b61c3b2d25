// Who may log in, and which programs may ask.

import { get, path, post, put, remove } from "../core/api.js";
import { draw, h } from "../core/dom.js";
import { moment, word } from "../core/format.js";
import { t } from "../core/i18n.js";
import { me } from "../core/session.js";
import { ask, attempt, say } from "../parts/dialog.js";
import { button, heading, panel } from "../parts/panel.js";
import { table } from "../parts/table.js";

const ROLES = ["viewer", "operator", "engineer", "admin"];
const LONG = 12; // characters of a password at least

export function open(main) {
  const now = { users: [], tokens: [], fresh: null };
  const users = table({
    label: t("users.users"),
    columns: userColumns({ change, drop }),
    key: (row) => row.user,
    empty: t("users.none"),
    redraw,
  });
  const tokens = table({
    label: t("users.tokens"),
    columns: tokenColumns({ dropToken }),
    key: (row) => row.id,
    empty: t("users.no_tokens"),
    redraw,
  });

  async function load() {
    try {
      const [found, held] = await Promise.all([get("/users"), get("/tokens")]);
      Object.assign(now, { users: found.users, tokens: held.tokens });
    } catch (error) {
      say(error.message, true);
    }
    redraw();
  }

  async function act(does, done) {
    if (await attempt(does, done)) await load();
  }

  // -- users ----------------------------------------------------------------------------------------------------------

  async function add() {
    const given = await ask({
      title: t("users.add"),
      text: t("users.add.means"),
      action: t("users.add"),
      fields: [
        { name: "user", label: t("login.user"), required: true, pattern: "[A-Za-z0-9_.@\\-]+", maxlength: 64 },
        roleField("viewer"),
        { name: "password", label: t("login.password"), kind: "password", required: true, minlength: LONG },
      ],
    });
    if (given)
      await act(() => put(path`/users/${given.user}`, { role: given.role, password: given.password }), t("users.made"));
  }

  async function change(row) {
    const given = await ask({
      title: t("users.change", { user: row.user }),
      action: t("do.save"),
      fields: [
        roleField(row.role),
        { name: "password", label: t("users.new_password"), kind: "password", minlength: LONG },
      ],
    });
    if (!given) return;
    const body = given.password ? { role: given.role, password: given.password } : { role: given.role };
    await act(() => put(path`/users/${row.user}`, body), t("users.changed"));
  }

  async function drop(row) {
    const sure = await ask({
      title: t("users.drop", { user: row.user }),
      text: t("users.drop.means"),
      action: t("do.remove"),
      danger: true,
    });
    if (sure) await act(() => remove(path`/users/${row.user}`), t("users.dropped"));
  }

  // -- tokens ---------------------------------------------------------------------------------------------------------

  async function addToken() {
    const given = await ask({
      title: t("users.add_token"),
      text: t("users.add_token.means"),
      action: t("users.add_token"),
      fields: [
        { name: "name", label: t("col.name"), required: true, maxlength: 64 },
        roleField("viewer"),
        { name: "days", label: t("users.days"), kind: "number", value: "365", min: 1, max: 3650, required: true },
      ],
    });
    if (!given) return;
    await act(async () => {
      now.fresh = (await post("/tokens", { ...given, days: Number(given.days) })).token;
    });
  }

  async function dropToken(row) {
    const sure = await ask({
      title: t("users.drop_token", { name: row.name }),
      text: t("users.drop_token.means"),
      action: t("do.remove"),
      danger: true,
    });
    if (sure) await act(() => remove(path`/tokens/${row.id}`), t("users.dropped"));
  }

  function redraw() {
    const told =
      now.fresh &&
      h("div.notice.warn", { role: "status" }, h("p", {}, t("users.token_once")), h("p.mono.break", {}, now.fresh));
    draw(
      main,
      h("div.page", {}, [
        heading(t("page.users")),
        panel(t("users.users"), users.tree(now.users), {
          bare: true,
          beside: button(t("users.add"), add, { small: true }),
        }),
        told,
        panel(t("users.tokens"), tokens.tree(now.tokens), {
          bare: true,
          beside: button(t("users.add_token"), addToken, { small: true }),
        }),
      ]),
    );
  }

  redraw();
  load();
  return {};
}

function roleField(value) {
  return { name: "role", label: t("users.role"), options: ROLES.map((role) => [role, t(`role.${role}`)]), value };
}

function userColumns({ change, drop }) {
  return [
    {
      id: "user",
      label: t("login.user"),
      cell: (row) => h(row.user === me().user ? "b" : "span", {}, row.user),
      by: (row) => row.user,
    },
    {
      id: "role",
      label: t("users.role"),
      fit: true,
      cell: (row) => word("role", row.role),
      by: (row) => ROLES.indexOf(row.role),
    },
    {
      id: "password",
      label: t("login.password"),
      cell: (row) => (row.change_password ? t("users.must_change") : "–"),
      hide: "narrow",
    },
    {
      id: "made",
      label: t("users.since"),
      fit: true,
      cell: (row) => moment(row.made),
      by: (row) => row.made,
      hide: "narrow",
    },
    {
      id: "acts",
      label: t("col.acts"),
      fit: true,
      cell: (row) =>
        h(
          "span.acts",
          {},
          button(t("do.change"), () => change(row), { small: true }),
          button(t("do.remove"), () => drop(row), { small: true, kind: "danger" }),
        ),
    },
  ];
}

function tokenColumns({ dropToken }) {
  return [
    { id: "name", label: t("col.name"), cell: (row) => row.name, by: (row) => row.name },
    {
      id: "role",
      label: t("users.role"),
      fit: true,
      cell: (row) => word("role", row.role),
      by: (row) => ROLES.indexOf(row.role),
    },
    { id: "by", label: t("col.by"), fit: true, cell: (row) => row.by, hide: "narrow" },
    {
      id: "expires",
      label: t("certs.expires"),
      fit: true,
      cell: (row) => moment(row.expires),
      by: (row) => row.expires,
    },
    {
      id: "acts",
      label: t("col.acts"),
      fit: true,
      cell: (row) =>
        h(
          "span.acts",
          {},
          button(t("do.remove"), () => dropToken(row), { small: true, kind: "danger" }),
        ),
    },
  ];
}
