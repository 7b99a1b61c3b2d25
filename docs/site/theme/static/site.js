// What no style can do: the contents are folded away on a phone, and what scrolls sideways can be scrolled by the keyboard.

document.querySelector(".pages details").open = matchMedia("(min-width: 48rem)").matches;
for (const wide of document.querySelectorAll("pre, table")) {
  if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
}
