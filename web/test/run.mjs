// Drives the built front end in Chromium against the test peer, one line per scenario: `ok NAME` or `FAIL NAME: reason`.
//   node test/run.mjs [part of a name]        screenshots: --screenshots DIR
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { launch, makeTrust } from "./browser.mjs";
import { makeDevices } from "./fleet.mjs";
import { consoleName, Peer, zone } from "./peer.mjs";
import { access } from "./scenarios/access.mjs";
import { accounts } from "./scenarios/accounts.mjs";
import { appearance } from "./scenarios/appearance.mjs";
import { list } from "./scenarios/list.mjs";
import { pki } from "./scenarios/pki.mjs";
import { rpc } from "./scenarios/rpc.mjs";
import { security } from "./scenarios/security.mjs";
import { status } from "./scenarios/status.mjs";

const { values, positionals } = parseArgs({ options: { screenshots: { type: "string" } }, allowPositionals: true });
const screenshots = values.screenshots ?? fileURLToPath(new URL("../../build/screenshots", import.meta.url));
mkdirSync(screenshots, { recursive: true });

const names = makeDevices(Date.now()).filter((device) => device.name).map((device) => `*.${device.name}.${zone}`);
const trust = makeTrust([consoleName, ...names]);
const peer = new Peer(trust);
await peer.listen();
const browser = await launch(trust.home);
let failed = 0;

// A fresh world, a fresh browser profile; `visit(login)` logs in and returns the page.
async function run([name, scenario]) {
  peer.reset();
  peer.breaches = [];
  const complaints = [];
  const contexts = [];
  const visit = async ({ login = "mara", path = "/devices", ...options } = {}) => {
    const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, reducedMotion: "reduce", ...options });
    contexts.push(context);
    context.setDefaultTimeout(30_000);
    context.on("request", (request) => {
      const { protocol, hostname, port } = new URL(request.url());
      const ours = protocol === "blob:" || (port === String(peer.port) && (hostname === consoleName || hostname.endsWith(`.${zone}`)));
      if (!ours) complaints.push(`request to ${request.url()}`);
    });
    context.on("page", (page) => {
      page.on("dialog", (dialog) => {
        complaints.push(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
      });
      page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
      page.on("console", (message) => {
        // Chromium reports every 4xx on the console; the scenarios look at those themselves.
        if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) complaints.push(`console: ${message.text()}`);
      });
    });
    const page = await context.newPage();
    await page.goto(peer.origin + path);
    if (login) {
      await page.getByLabel("Login").fill(login);
      await page.getByLabel("Password").fill(`password of ${login}`);
      await page.getByRole("button", { name: "Log in" }).click();
      await page.getByRole("button", { name: /^Log(ging)? in/ }).waitFor({ state: "detached" });
    }
    return page;
  };
  try {
    await scenario({ peer, visit, browser, screenshots, complaints });
    if (peer.breaches.length > 0) throw new Error(`against the API description: ${peer.breaches[0]}`);
    if (complaints.length > 0) throw new Error(complaints[0]);
    console.log(`ok ${name}`);
  } catch (error) {
    ++failed;
    const [first] = contexts;
    await first?.pages()[0]?.screenshot({ path: `${screenshots}/failed-${name}.png` }).catch(() => {});
    const causes = [...complaints, ...peer.breaches].slice(0, 3).join("; ");
    console.log(`FAIL ${name}: ${String(error.message).split("\n").slice(0, 6).join(" | ")}${causes ? ` (${causes})` : ""}`);
  } finally {
    for (const context of contexts) await context.close();
  }
}

try {
  const scenarios = Object.entries({ ...accounts, ...list, ...access, ...pki, ...status, ...rpc, ...security, ...appearance });
  const chosen = scenarios.filter(([name]) => positionals.length === 0 || positionals.some((part) => name.includes(part)));
  if (chosen.length === 0) throw new Error(`no scenario is called ${positionals.join(" or ")}`);
  for (const scenario of chosen) await run(scenario);
} finally {
  await browser.close();
  await peer.close();
  trust.remove();
}
process.exitCode = failed > 0 ? 1 : 0;
