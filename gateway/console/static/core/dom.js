// Elements from calls, and a tree patched to look like another: all that the pages need of a framework.
// No style attribute is ever written: the content security policy forbids it.

const SVG = "http://www.w3.org/2000/svg";
const HANDLERS = ["onclick", "oninput", "onchange", "onsubmit", "onkeydown"];

/**
 * An element: `h("td.num", {title: "…", onclick: f}, "text", child, [more])`.
 * null, undefined and false are left out, as attribute and as child; handlers are properties.
 */
export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name.split(".")[0]), name, attributes, children);
}

/** The same for what is drawn. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name.split(".")[0]), name, attributes, children);
}

function fill(element, name, attributes, children) {
  const classes = name.split(".").slice(1);
  if (classes.length) element.setAttribute("class", classes.join(" "));
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (HANDLERS.includes(key)) element[key] = value;
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/**
 * Make the children of `target` look like `tree` (a node or a list of them), keeping what is the same: focus, selection
 * and scroll stay. A child with `data-key` is found again by it; one with `data-own` looks after its own inside.
 */
export function draw(target, tree) {
  const fresh = document.createDocumentFragment();
  fresh.append(...[tree].flat(9).filter(Boolean));
  patchChildren(target, fresh);
}

function patchChildren(old, fresh) {
  const keyed = new Map();
  for (const child of old.children) if (child.dataset?.key) keyed.set(child.dataset.key, child);
  let at = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const known = wanted.dataset?.key ? keyed.get(wanted.dataset.key) : at?.dataset?.key ? null : at;
    if (known && alike(known, wanted)) {
      if (known !== at) old.insertBefore(known, at);
      patch(known, wanted);
      at = known.nextSibling;
    } else {
      old.insertBefore(wanted, at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function alike(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName && key(one) === key(other);
}

function key(node) {
  return node.dataset?.key ?? node.dataset?.own ?? null;
}

function patch(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const name of HANDLERS) if (old[name] !== fresh[name]) old[name] = fresh[name];
  if (old.dataset?.own) return;
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && name !== "open") old.setAttribute(name, value);
  }
  patchChildren(old, fresh);
}
