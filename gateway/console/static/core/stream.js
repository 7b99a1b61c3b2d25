// The one stream of events that a page holds. What it carries is changed by a PUT, so that no event of the frame is
// lost between two pages; after a loss it is opened anew with the same view.

import { at, path, put } from "./api.js";
import { whoami } from "./session.js";

const AGAIN = 3000; // ms between two attempts
const TOPICS = ["overview", "alarms", "delivery", "asset", "tags"];
const ears = new Map(TOPICS.map((topic) => [topic, new Set()]));
const latest = new Map();
let source = null;
let id = null;
let view = { topics: ["overview"] };
let opened = view; // the view that the stream was opened with
let live = false;

/** Begin to listen. */
export function connect() {
  disconnect();
  opened = view;
  const { topics, ...rest } = view;
  source = new EventSource(at("/stream", { topics: topics.join(","), ...rest }));
  source.addEventListener("hello", (event) => hello(JSON.parse(event.data)));
  source.addEventListener("bye", (event) => bye(JSON.parse(event.data)));
  source.addEventListener("error", lost);
  for (const topic of TOPICS) source.addEventListener(topic, (event) => heard(topic, JSON.parse(event.data)));
}

/** Listen no longer. */
export function disconnect() {
  source?.close();
  source = id = null;
  tell(false);
}

/** Look at something else: topics beside the overview, and what of them (asset, search, device, quality, offset, limit). */
export async function look({ topics = [], ...rest }) {
  view = { topics: ["overview", ...topics], ...rest };
  if (!id) return;
  const known = Object.entries(view).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  try {
    await put(path`/stream/${id}`, Object.fromEntries(known));
  } catch (error) {
    if (error.status === 404) connect();
    else if (error.status !== 401) throw error;
  }
}

/** Call `ear` with each event of a topic, and with the latest at once where one is there. Gives what ends it. */
export function on(topic, ear) {
  ears.get(topic).add(ear);
  if (topic === "overview" && latest.has(topic)) ear(latest.get(topic));
  return () => ears.get(topic).delete(ear);
}

function heard(topic, data) {
  tell(true);
  latest.set(topic, data);
  for (const ear of ears.get(topic)) ear(data);
}

function hello(said) {
  id = said.id;
  tell(true);
  if (view !== opened) look({ ...view, topics: view.topics.slice(1) });
}

function bye({ reason }) {
  disconnect();
  if (reason === "session") dispatchEvent(new CustomEvent("login", { detail: reason }));
  else setTimeout(connect, AGAIN);
}

async function lost() {
  tell(false);
  if (source?.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
  disconnect();
  try {
    if (!(await whoami())) dispatchEvent(new CustomEvent("login", { detail: "session" }));
    else setTimeout(connect, AGAIN);
  } catch {
    setTimeout(connect, AGAIN);
  }
}

function tell(now) {
  if (now === live) return;
  live = now;
  dispatchEvent(new CustomEvent("live", { detail: now }));
}
