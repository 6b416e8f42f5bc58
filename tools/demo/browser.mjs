// A person at the console, played by a real headless Chromium. Reads one JSON request a line from standard input,
// {"act": NAME, …}, and answers one JSON line each: {"found": …} or {"error": TEXT}. It trusts by the certificate store
// of HOME and ignores no certificate error; what it does, it does through the console's own pages. Modules named on the
// command line add acts of their own: each exports acts({ context, opened, until }).
import { createHash, X509Certificate } from "node:crypto";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const require = createRequire(new URL("../../web/package.json", import.meta.url));
const { chromium } = require("playwright-core");

const patience = 15_000;
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args, handleSIGINT: false });
const context = await browser.newContext({ viewport: { width: 1360, height: 850 } });
context.setDefaultTimeout(patience);
const console_ = await context.newPage();
const opened = new Map(); // alias → the window with the device's own page
let origin = "";

const text = (locator) => locator.textContent();
const path = (page) => new URL(page.url()).pathname;

async function until(condition, what, limit = patience) {
  const end = Date.now() + limit;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > end) throw new Error(`nothing within ${limit / 1000} s, wanted ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

// A call of the API as the page itself would make it, with its cookie, from its origin.
const api = (method, where, body, csrf) =>
  console_.evaluate(async ([method_, where_, body_, csrf_]) => {
    const headers = method_ === "GET" ? {} : { "Content-Type": "application/json", ...(csrf_ ? { "X-CSRF-Token": csrf_ } : {}) };
    const answer = await fetch(`/api/v1${where_}`, { method: method_, headers, ...(body_ === null ? {} : { body: JSON.stringify(body_) }) });
    const content = await answer.text();
    return { status: answer.status, body: content ? JSON.parse(content) : null };
  }, [method, where, body ?? null, csrf ?? null]);

async function enter(login, password) {
  await console_.getByLabel("Login").fill(login);
  await console_.getByLabel("Password").fill(password);
  await console_.getByRole("button", { name: "Log in" }).click();
}

const publicKey = (der) => {
  const spki = new X509Certificate(der).publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(spki).digest("hex");
};

const acts = {
  async login({ url, login, password }) {
    origin = url;
    await console_.goto(url);
    await enter(login, password);
    await console_.getByRole("button", { name: "Log out" }).waitFor();
    const session = (await context.cookies(url)).find((cookie) => cookie.name === "__Host-session");
    return { session, title: await console_.title() };
  },

  async logout() {
    const before = (await context.cookies(origin)).find((cookie) => cookie.name === "__Host-session");
    await console_.getByRole("button", { name: "Log out" }).click();
    await console_.getByRole("button", { name: "Log in" }).waitFor();
    await context.addCookies([before]); // the old session, held up again
    const after = (await api("GET", "/session")).status;
    await context.clearCookies();
    return { old_session: after };
  },

  // What the console says to a wrong password.
  async refused_login({ url, login, password }) {
    await console_.goto(url);
    await enter(login, password);
    return text(console_.getByRole("alert"));
  },

  // The status of an act without the token against request forgery.
  async forged_act({ device }) {
    return (await api("POST", `/devices/${device}/alias`, { alias: "forged" })).status;
  },

  async claim({ serial_id, code, alias }) {
    await console_.goto(`${origin}/claim`);
    await console_.getByLabel("Serial id").fill(serial_id);
    await console_.getByLabel("Claim code").fill(code);
    await console_.getByLabel("Alias").fill(alias);
    await console_.getByRole("button", { name: "Claim", exact: true }).click();
    const alert = console_.getByRole("alert");
    await until(async () => path(console_).startsWith("/devices/") || (await alert.count()) > 0, "the device's page or a refusal");
    if (path(console_).startsWith("/devices/")) return { device: path(console_).slice("/devices/".length) };
    return { refused: await text(alert) };
  },

  async remote_access({ device, on }) {
    await console_.goto(`${origin}/devices/${device}`);
    const knob = console_.getByRole("switch");
    await knob.waitFor();
    if ((await knob.isChecked()) !== on) await knob.click();
    await console_.getByText(`Remote access ${on ? "on" : "off"}`).first().waitFor();
    await until(async () => (await api("GET", `/devices/${device}`)).body.remote_access === on, "the switch to have moved");
    return {};
  },

  async show_list() {
    await console_.goto(`${origin}/devices`);
    await console_.getByText("Live", { exact: true }).first().waitFor();
    return {};
  },

  // Waits until the list, which is not loaded again, offers to open the service, or no longer does.
  async online({ alias, service, is_online }) {
    const link = console_.getByRole("link", { name: `Open ${service} of ${alias}` });
    await link.waitFor({ state: is_online ? "visible" : "detached", timeout: patience * 2 });
    return {};
  },

  async open({ alias, service }) {
    const link = console_.getByRole("link", { name: `Open ${service} of ${alias}` });
    await link.waitFor();
    const popup = context.waitForEvent("page");
    await link.click();
    const page = await popup;
    page.setDefaultTimeout(patience);
    opened.set(alias, page);
    const device = (url) => url.origin !== origin && url.pathname === "/";
    try {
      await page.waitForURL(device);
    } catch {
      const shows = (await page.locator("body").innerText()).replaceAll("\n", " | ").slice(0, 300);
      throw new Error(`the window stays at ${page.url()}: ${shows}`);
    }
    return { url: page.url(), title: await page.title(), heading: await text(page.locator("h1")) };
  },

  // Two readings of the live ticker on the device's page, one after the other.
  async ticker({ alias }) {
    const page = opened.get(alias);
    await page.locator("#state", { hasText: "live" }).waitFor();
    const shown = () => page.evaluate(() => document.querySelector("#spindle").textContent);
    const first = await until(async () => /^\d+$/.test(await shown()) && shown(), "a number");
    const second = await until(async () => (await shown()) !== first && shown(), "the number to change");
    return { first, second };
  },

  async fill_form({ alias, target }) {
    const page = opened.get(alias);
    await page.getByRole("link", { name: "Settings" }).click();
    await page.getByLabel("Target speed").fill(String(target));
    await page.getByRole("button", { name: "Save" }).click();
    const saved = await text(page.locator("#saved"));
    await page.getByRole("link", { name: "Overview" }).click();
    await page.locator("#state", { hasText: "live" }).waitFor();
    return { saved };
  },

  // What the browser itself was shown by the device in TLS.
  async certificate({ alias }) {
    const page = opened.get(alias);
    const session = await context.newCDPSession(page);
    await session.send("Network.enable");
    await page.reload();
    const shownTo = new URL(page.url()).origin;
    const { tableNames } = await session.send("Network.getCertificate", { origin: shownTo });
    const chain = tableNames.map((one) => Buffer.from(one, "base64"));
    const leaf = new X509Certificate(chain[0]);
    return { origin: shownTo, spki_sha256: publicKey(chain[0]), names: leaf.subjectAltName, issuer: leaf.issuer };
  },

  async api({ method, where, body }) {
    const csrf = method === "GET" ? null : (await api("GET", "/session")).body.csrf;
    return api(method, where, body, csrf);
  },

  // Revokes in the console while the device's page is open with its ticker running; says how long the ticker lived on.
  async revoke({ device, serial_id, alias, password, limit_ms }) {
    const page = opened.get(alias);
    await page.locator("#state", { hasText: "live" }).waitFor();
    await console_.goto(`${origin}/devices/${device}/settings`);
    await console_.getByRole("button", { name: "Revoke …" }).click();
    const dialog = console_.getByRole("dialog");
    await dialog.getByRole("textbox").fill(serial_id);
    const began = Date.now();
    const cut = page.waitForFunction(() => document.querySelector("#state").textContent !== "live", null, { timeout: limit_ms * 2, polling: 50 })
      .then(() => Date.now() - began, () => null);
    await dialog.getByRole("button", { name: "Revoke", exact: true }).click();
    const asked = dialog.getByLabel("Your password");
    const done = console_.locator(".page-head").getByText("Revoked");
    await until(async () => (await done.count()) > 0 || (await asked.count()) > 0, "the revocation or a question for the password");
    if ((await asked.count()) > 0) {
      await asked.fill(password);
      await dialog.getByRole("button", { name: "Confirm" }).click();
    }
    await done.waitFor();
    return { confirmed_ms: Date.now() - began, cut_ms: await cut };
  },

  // What loading the device's page again comes to: the browser's error, or its title.
  async reload({ alias }) {
    const page = opened.get(alias);
    try {
      const answer = await page.reload({ timeout: patience });
      return { title: await page.title(), status: answer?.status() };
    } catch (error) {
      return { failed: error.message.split("\n")[0] };
    }
  },

  async close_window({ alias }) {
    await opened.get(alias).close();
    opened.delete(alias);
    return {};
  },

  // The console's list of devices, as a person sees it.
  async picture({ file }) {
    const page = await context.newPage();
    await page.setViewportSize({ width: 1280, height: 420 });
    await page.goto(`${origin}/devices`);
    await page.getByText("Live", { exact: true }).first().waitFor();
    await page.screenshot({ path: file });
    await page.close();
    return {};
  },
};

for (const file of process.argv.slice(2)) Object.assign(acts, (await import(pathToFileURL(file))).acts({ context, opened, until }));

for await (const line of createInterface({ input: process.stdin })) {
  const { act, ...given } = JSON.parse(line);
  let answer;
  try {
    answer = { found: await acts[act](given) };
  } catch (error) {
    answer = { error: error.message.split("\n").slice(0, 3).join(" ") };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
