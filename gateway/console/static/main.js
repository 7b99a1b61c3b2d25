// The start: theme, language, who is logged in; then the login, or the frame with its pages.

import { speak } from "./core/i18n.js";
import { me, whoami } from "./core/session.js";
import { connect, disconnect } from "./core/stream.js";
import { applyTheme } from "./core/theme.js";
import { closeDrawer } from "./parts/drawer.js";
import { openFrame } from "./frame.js";
import { openLogin } from "./pages/login.js";

let close = null;

/** Show what is to be shown now: the login, the change of a first password, or the console. */
async function show(reason = "") {
  close?.();
  closeDrawer();
  disconnect();
  const user = me();
  if (!user || user.change_password) {
    close = openLogin(document.body, reason, () => show());
    return;
  }
  close = openFrame(document.body, () => show());
  connect();
}

async function start() {
  applyTheme();
  await speak();
  await whoami();
  await show();
  addEventListener("login", async (event) => {
    await whoami();
    await show(event.detail);
  });
}

start();
