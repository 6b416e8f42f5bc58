// What a person sees, in light and dark, wide and narrow; what a machine can say about it; screenshots for people.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { holds, same, seen, until } from "./expect.mjs";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const pages = (peer) => {
  const device = `/devices/${peer.devices[0].name}`;
  return {
    devices: ["/devices", "Press line 4"], device: [device, "made on the device"], sessions: [`${device}/sessions`, "closed by the user"],
    telemetry: [`${device}/telemetry`, "motor.rpm"], certificates: [`${device}/certificates`, "Factory certificate"], settings: [`${device}/settings`, "Suspend the device"],
    troubled: [`/devices/${peer.devices[5].name}`, "device.cloned"], claim: ["/claim", "Claim code"], fleet: ["/fleet", "Agent versions"], sites: ["/sites", "tallinn"],
    pki: ["/pki", "OCSP signers"], status: ["/status", "Devices can check their servers"],
    rpc: ["/rpc", "Contested"], node: ["/rpc/press-4?method=press.start", "starts the press"], keys: ["/rpc/press-4/keys", "line-control"], device_rpc: [`${device}/rpc`, "press-4"], search: ["/pki/certificates", "Find"], log: ["/pki/log", "Newest entries"], found: [`/pki/certificates?q=${peer.devices[0].serial_id}`, "Web certificate"], audit: ["/audit", "Chain verified"], you: ["/settings", "Present password"], people: ["/settings/people", "vera"],
    installation: ["/settings/installation", "Public port"], nowhere: ["/nowhere", "There is nothing at this address"],
    open: [`/open?device=${peer.devices[0].name}&service=web`, "under your name"],
  };
};

async function show(page, peer, [path, text]) {
  await page.goto(peer.origin + path);
  await seen(page.getByText(text).first());
  await page.waitForLoadState("load");
}

export async function axe(page, where) {
  // Through the debugger, as a person's own tools would be: the page's policy lets no script in.
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  same(violations.map((one) => `${one.id}: ${one.nodes[0].html.slice(0, 160)} ${one.nodes[0].failureSummary.split("\n")[1] ?? ""}`), [], `axe on ${where}`);
}

const inScheme = (colorScheme) => async ({ visit, peer, screenshots }) => {
  const login = await visit({ login: null, colorScheme });
  await seen(login.getByRole("button", { name: "Log in" }));
  await axe(login, "login");
  await login.screenshot({ path: `${screenshots}/login-${colorScheme}.png` });
  const page = await visit({ colorScheme });
  for (const [name, place] of Object.entries(pages(peer))) {
    await show(page, peer, place);
    await page.screenshot({ path: `${screenshots}/${name}-${colorScheme}.png`, fullPage: name !== "audit" });
    await axe(page, name);
  }
};

const atWidth = (width) => async ({ visit, peer, screenshots }) => {
  const page = await visit({ viewport: { width, height: 740 } });
  for (const [name, place] of Object.entries(pages(peer))) {
    await show(page, peer, place);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    await page.screenshot({ path: `${screenshots}/${name}-${width}.png` });
    holds(overflow <= 0, `${name} is ${overflow} px too wide at ${width} px`);
  }
  await show(page, peer, pages(peer).devices);
  await axe(page, `devices at ${width} px`);
  const heights = await page.evaluate(() => [...document.querySelectorAll(".devices tbody tr:not(.spacer)")].map((row) => row.getBoundingClientRect().height));
  const wanted = width < 720 ? 84 : 44;
  holds(heights.every((height) => Math.abs(height - wanted) < 1), `heights of rows: found ${[...new Set(heights)]}, want ${wanted}`);
};

export const appearance = {
  light_and_axe: inScheme("light"),
  dark_and_axe: inScheme("dark"),
  width_360: atWidth(360),
  width_680_as_at_200_percent: atWidth(680),
  width_1000: atWidth(1000),

  async first_load_is_small_and_quick({ visit, peer, browser }) {
    const page = await visit();
    await seen(page.getByText("Press line 4"));
    await page.reload();
    const started = Date.now();
    await seen(page.getByText("Press line 4"));
    const session = await page.context().newCDPSession(page);
    let received = 0;
    await session.send("Network.enable");
    await session.send("Network.setCacheDisabled", { cacheDisabled: true });
    session.on("Network.loadingFinished", (event) => (received += event.encodedDataLength));
    await page.goto(`${peer.origin}/claim`);
    await seen(page.getByLabel("Claim code"));
    await until(() => received > 0, "bytes counted");
    holds(received <= 150_000, `first load: found ${received} bytes, want at most 150000`);
    const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0);
    holds(paint > 0, `first paint ${paint} ms, ${Date.now() - started} ms in all, ${browser.version()}`);
  },
};
