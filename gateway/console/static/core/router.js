// The address behind the # says which page is shown, and of what: `#/assets/pump-7?from=…`.

/** The address now: {page, name, query}. */
export function here() {
  const [path, query] = location.hash.slice(1).split("?");
  const [, page = "", ...rest] = path.split("/");
  return {
    page: page || "overview",
    name: decodeURIComponent(rest.join("/")),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

/** The address of a page. */
export function address(page, name = "", query = {}) {
  const behind = new URLSearchParams(query).toString();
  return `#/${page}${name ? `/${encodeURIComponent(name)}` : ""}${behind ? `?${behind}` : ""}`;
}

/** Go there. */
export function go(page, name, query) {
  location.hash = address(page, name, query);
}

/** Say it without going anywhere: a filter that a reload should find again. */
export function note(page, name, query) {
  history.replaceState(null, "", address(page, name, query));
}
