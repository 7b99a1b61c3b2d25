// The words of the console: one flat table of keys for each language. What the gateway itself says stays in its words.

const LANGUAGES = { en: "English", "zh-CN": "简体中文" };
let words = {};
let spoken = "en";

/** The languages, as [code, name]. */
export const languages = Object.entries(LANGUAGES);

/** The one that is spoken. */
export function language() {
  return spoken;
}

/** The sentence for `key`, with {names} filled in; the key itself where there is none. */
export function t(key, fields = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => fields[name] ?? whole);
}

/** Speak `code`, or what was chosen last, or what the browser asks for. */
export async function speak(code) {
  const wanted = code ?? localStorage.getItem("language") ?? navigator.language;
  spoken = wanted in LANGUAGES ? wanted : wanted.startsWith("zh") ? "zh-CN" : "en";
  const answer = await fetch(new URL(`../i18n/${spoken}.json`, import.meta.url));
  words = await answer.json();
  document.documentElement.lang = spoken;
  if (code) localStorage.setItem("language", code);
}
