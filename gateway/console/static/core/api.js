// Calls to the gateway (docs/openapi.yaml): JSON there and back, refusals as errors with the gateway's own sentence.

const BASE = "/api/v1";
let csrf = "";

/** What the gateway would not do: `message` is its sentence, `reason` its word, `status` the HTTP status. */
class Refused extends Error {
  constructor(status, { error, reason }) {
    super(error ?? `HTTP ${status}`);
    this.status = status;
    this.reason = reason ?? "";
  }
}

/** Bear this token with everything that changes something. */
export function setCsrf(token) {
  csrf = token;
}

/** Where a path of the API lies. */
export function at(path, query = {}) {
  const known = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const behind = new URLSearchParams(known).toString();
  return `${BASE}${path}${behind ? `?${behind}` : ""}`;
}

/** Names in a path, escaped: ``path`/tags/${name}/trend` ``. */
export function path(parts, ...names) {
  return parts.reduce((whole, part, i) => whole + encodeURIComponent(names[i - 1]) + part);
}

export const get = async (where, query) => call("GET", at(where, query));
export const post = async (where, body = {}) => call("POST", at(where), body);
export const put = async (where, body) => call("PUT", at(where), body);
export const remove = async (where) => call("DELETE", at(where));

async function call(method, url, body) {
  const headers = method === "GET" ? {} : { "X-CSRF-Token": csrf };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  if (answer.status === 204) return null;
  if (!answer.ok) throw refusal(answer.status, await words(answer));
  return answer.json();
}

/** A file, as {blob, name}. */
export async function file(where) {
  const answer = await fetch(at(where));
  if (!answer.ok) throw refusal(answer.status, await words(answer));
  const name = /filename="?([^";]+)/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "fieldgate";
  return { blob: await answer.blob(), name };
}

async function words(answer) {
  try {
    return await answer.json();
  } catch {
    return {};
  }
}

function refusal(status, said) {
  const refused = new Refused(status, said);
  const login = (status === 401 && csrf) || (status === 403 && refused.reason === "change-password");
  if (login) dispatchEvent(new CustomEvent("login", { detail: refused.reason }));
  return refused;
}
