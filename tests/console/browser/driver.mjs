// A browser driven line by line: one JSON command on standard input, one JSON answer on standard output.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [, , modules, chromium] = process.argv;
const require = createRequire(`${modules}/`);
const puppeteer = require("puppeteer-core");
const axe = await readFile(require.resolve("axe-core/axe.min.js"), "utf8");
const WITHIN = 45_000; // ms; a busy machine is slow
const pages = new Map();

const browser = await puppeteer.launch({
  executablePath: chromium,
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--force-color-profile=srgb"],
});

const commands = {
  /** A page in a context of its own: no cookie and no memory of another. */
  async open({ page, url, theme, language, width, height }) {
    const context = await browser.createBrowserContext();
    const tab = await context.newPage();
    const seen = { context, tab, faults: [], requests: [] };
    pages.set(page, seen);
    await tab.setViewport({ width, height, isMobile: width < 600, hasTouch: width < 600 });
    await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: theme }]);
    await tab.evaluateOnNewDocument(
      (code) => localStorage.getItem("language") ?? localStorage.setItem("language", code),
      language,
    );
    tab.on(
      "console",
      (said) => said.type() === "error" && seen.faults.push(`${said.text()} ${said.location().url ?? ""}`),
    );
    tab.on("pageerror", (error) => seen.faults.push(String(error.stack ?? error)));
    tab.on("request", (request) => seen.requests.push(request.url()));
    await tab.goto(url);
  },
  async click({ tab, selector }) {
    await tab.locator(selector).setTimeout(WITHIN).click();
  },
  async type({ tab, selector, text }) {
    await tab.locator(selector).setTimeout(WITHIN).fill(text);
  },
  async press({ tab, key }) {
    await tab.keyboard.press(key);
  },
  async wait({ tab, selector }) {
    await tab.waitForSelector(selector, { timeout: WITHIN });
  },
  async gone({ tab, selector }) {
    await tab.waitForSelector(selector, { timeout: WITHIN, hidden: true });
  },
  async text({ tab, selector }) {
    return tab.$eval(selector, (element) => element.innerText);
  },
  async texts({ tab, selector }) {
    return tab.$$eval(selector, (elements) => elements.filter((one) => !one.hidden).map((one) => one.innerText));
  },
  async scroll({ tab, selector, top }) {
    await tab.$eval(selector, (element, y) => element.scrollTo(0, y), top);
  },
  /** Drag over the middle half of it, from left to right. */
  async drag({ tab, selector }) {
    const box = await (await tab.waitForSelector(selector, { timeout: WITHIN })).boundingBox();
    const y = box.y + box.height / 2;
    await tab.mouse.move(box.x + box.width / 4, y);
    await tab.mouse.down();
    await tab.mouse.move(box.x + (3 * box.width) / 4, y, { steps: 8 });
    await tab.mouse.up();
  },
  async focus({ tab, selector }) {
    await tab.focus(selector);
  },
  /** How much wider the page is than its window. */
  async overflow({ tab }) {
    return tab.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  },
  async shot({ tab, path }) {
    await tab.screenshot({ path });
  },
  /** What axe-core finds that is serious or critical. */
  async axe({ tab }) {
    await tab.evaluate(axe);
    const { violations } = await tab.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    return grave.map(
      ({ id, nodes }) =>
        `${id}: ${nodes
          .map(({ target }) => target.join(" "))
          .slice(0, 5)
          .join(", ")}`,
    );
  },
  async told({ seen }) {
    return { faults: seen.faults, requests: seen.requests };
  },
  async close({ seen, page }) {
    pages.delete(page);
    await seen.context.close();
  },
};

async function answer(line) {
  const command = JSON.parse(line);
  const seen = pages.get(command.page);
  try {
    return { ok: (await commands[command.do]({ ...command, seen, tab: seen?.tab })) ?? null };
  } catch (error) {
    return { error: String(error.message ?? error) };
  }
}

process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
}
await browser.close();
