// Who is logged in, and what they may.

import { get, post, setCsrf } from "./api.js";

const SEEN = "logged-in"; // whether asking is of use: a refusal would stand in the browser's console as an error
let now = null;

/** Who it is: {user, role, rights, change_password, gateway, version}; null when nobody is logged in. */
export function me() {
  return now;
}

/** Whether a right is there: look, operate, configure, administer. */
export function may(right) {
  return now?.rights.includes(right) ?? false;
}

/** Ask the gateway who is logged in. */
export async function whoami() {
  if (!localStorage.getItem(SEEN)) return null;
  try {
    take(await get("/me"));
  } catch (error) {
    if (error.status !== 401) throw error;
    forget();
  }
  return now;
}

/** Log in. Throws what the gateway says against it. */
export async function login(user, password) {
  take(await post("/login", { user, password }));
  return now;
}

/** Change one's own password. */
export async function changePassword(old, fresh) {
  await post("/password", { old, new: fresh });
  await whoami();
}

/** Log out. */
export async function logout() {
  await post("/logout");
  forget();
}

function forget() {
  now = null;
  setCsrf("");
  localStorage.removeItem(SEEN);
}

function take(found) {
  now = found;
  localStorage.setItem(SEEN, "1");
  setCsrf(found.csrf);
}
