// What a hostile device, site or server may try on the person behind the page.
import { makeDevice } from "../fleet.mjs";
import { Refusal } from "../peer.mjs";
import { gone, holds, same, seen, until } from "./expect.mjs";

const markup = `<img src=x onerror=alert(1)><script>alert(2)</script><a href="javascript:alert(3)">x</a>\u202e\u2028{{7*7}}`;

export const security = {
  async f2_markup_from_devices_is_text({ visit, peer }) {
    const device = peer.devices[0];
    Object.assign(device, { alias: markup.slice(0, 110), agent_version: markup, source: markup, alarms: [{ kind: markup, time: null, detail: markup }] });
    Object.assign(peer.sessions[0], { device_alias: markup, source: markup, end_reason: markup });
    Object.assign(peer.audit[229], { actor: markup, action: markup, subject: markup, detail: { [markup]: markup } });
    Object.assign(peer.sites[0], { alarms: [{ kind: markup, time: null, detail: markup }] });
    const name = device.name;
    const items = [{ sequence: 1, time: new Date().toISOString(), value: { [markup]: 3, text: markup } }];
    peer.overrides.set(`GET /devices/${name}/telemetry`, ({ query }) =>
      [200, { streams: [{ name: markup, items: 1, newest: null, gaps: 0 }], stream: query.get("stream"), items: query.get("stream") ? items : [] }]);
    peer.overrides.set(`POST /devices/${name}/remote-access`, () => {
      throw new Refusal(409, "state-conflict", markup, markup);
    });
    peer.rpc.nodes[0].reason = markup;
    Object.assign(peer.rpc.methods[1], { description: markup });
    const page = await visit();
    const untouched = async (where) => {
      same(await page.locator("img, #app script, a[href^='javascript']").count(), 0, `elements made from text on ${where}`);
      holds((await page.locator("#app").textContent()).includes("<img src=x onerror"), `the text is shown as text on ${where}`);
    };
    await seen(page.getByText("<img src=x").first());
    await untouched("devices");
    for (const where of [`/devices/${name}`, `/devices/${name}/sessions`, `/devices/${name}/telemetry`, "/fleet", "/sites", "/rpc", "/rpc/press-4", "/audit"]) {
      await page.goto(peer.origin + where);
      await seen(page.getByText("<img src=x").first());
      await untouched(where);
    }
    await page.locator("button[data-row]").first().click();
    await seen(page.getByText("Previous hash"));
    await untouched("an audit entry");
    await page.goto(`${peer.origin}/devices/${name}`);
    await page.getByRole("switch").click();
    await seen(page.getByRole("alert"));
    await untouched("an error");
  },

  async f1_leading_a_person_to_open_grants_nothing({ visit, peer }) {
    const page = await visit();
    const address = `${peer.origin}/open?device=${peer.devices[0].name}&service=web`;
    await page.goto("about:blank");
    await page.goto(address);
    await seen(page.getByRole("button", { name: "Open web" }));
    const foreign = await page.context().newPage();
    await foreign.goto(`https://aaaaaaaaaaaaaaaa.${peer.devices[0].name}.devices.localhost:${peer.port}/`);
    await foreign.evaluate((to) => (window.location.href = to), address);
    await seen(foreign.getByRole("button", { name: "Open web" }));
    same(peer.requests.filter((one) => one.path.endsWith("/grants")).length, 0, "grants asked for");
    await foreign.getByRole("button", { name: "Open web" }).click();
    await seen(foreign.getByRole("heading", { name: "The device’s own page" }));
  },

  async f1_acts_carry_token_and_origin({ visit, peer }) {
    const page = await visit({ path: `/devices/${peer.devices[0].name}` });
    await page.getByRole("switch").click();
    await seen(page.getByText("Remote access is off").first());
    for (const type of ["application/json", "text/plain"]) {
      const status = await page.evaluate(async ([path, contentType]) => {
        const answer = await fetch(path, { method: "POST", headers: { "Content-Type": contentType }, body: '{"enabled":true}' });
        return answer.status;
      }, [`/api/v1/devices/${peer.devices[0].name}/remote-access`, type]);
      holds(status === 403 || status === 415, `${type} without a token: found ${status}`);
    }
    same(peer.devices[0].remote_access, false, "remote access");
  },

  async secret_goes_to_the_asked_device_only({ visit, peer }) {
    const page = await visit();
    const [asked, other] = [peer.devices[0].name, peer.devices[1].name];
    const label = "a".repeat(16);
    const addresses = [
      `https://${label}.${other}.devices.localhost:${peer.port}/.sallyport/enter`,
      `https://${label}.${asked}.devices.localhost.evil.example:${peer.port}/.sallyport/enter`,
      `http://${label}.${asked}.devices.localhost:${peer.port}/.sallyport/enter`,
      `https://${label}.${asked}.devices.localhost:${peer.port}/elsewhere`,
      "javascript:alert(1)",
    ];
    for (const url of addresses) {
      peer.overrides.set(`POST /devices/${asked}/grants`, () => [201, { grant_id: "0".repeat(32), label, host: new URL(url).hostname, url, secret: "A".repeat(43), expires: new Date().toISOString() }]);
      const popup = page.waitForEvent("popup");
      await page.getByRole("link", { name: "Open web of Press line 4" }).click();
      const opened = await popup;
      await seen(opened.getByRole("alert").getByText("Wrong address in the grant"));
      await opened.close();
    }
    same(peer.entries.length, 0, "secrets received");
  },

  async going_directly_takes_the_grant_to_the_chosen_port_and_renews_it({ visit, peer }) {
    const page = await visit();
    const name = peer.devices[0].name;
    const address = (port) => `${peer.origin}/open?device=${name}&service=web&direct=${port}`;
    await page.goto(address("70000"));
    await page.getByRole("button", { name: "Open web" }).click();
    await seen(page.getByRole("alert").getByText("Not a port"));
    same(peer.requests.filter((one) => one.path.endsWith("/grants")).length, 0, "grants asked for without a port");
    await page.clock.install();
    await page.goto(address(peer.port));
    await page.getByRole("button", { name: "Open web" }).click();
    const other = page.context().waitForEvent("page");
    await page.getByRole("button", { name: `Go to the device at port ${peer.port}` }).click();
    await seen((await other).getByRole("heading", { name: "The device’s own page" }));
    const [entry] = peer.entries;
    const form = new URLSearchParams(entry.body);
    holds(form.get("secret")?.length === 43 && form.get("grant")?.length > 100, `the form has secret and grant: found ${entry.body.slice(0, 80)}`);
    holds(entry.host.endsWith(`.${name}.devices.localhost`), `found ${entry.host}`);
    await seen(page.getByText("Opened in another tab"));
    await page.clock.runFor(61_000);
    await until(() => peer.requests.some((one) => /\/sessions\/[0-9a-f]{32}\/renew$/.test(one.path)), "the session to be renewed");
  },

  async page_policy_forbids_inline({ visit, complaints }) {
    const page = await visit();
    const html = await page.evaluate(async () => (await fetch("/")).text());
    holds(!/<script(?![^>]*\ssrc=)/i.test(html) && !/<style|\sstyle=|\son\w+=/i.test(html), "index.html has nothing inline");
    const ran = await page.evaluate(async () => {
      const violation = new Promise((resolve) => document.addEventListener("securitypolicyviolation", () => resolve("refused"), { once: true }));
      try {
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
      } catch {
        return "refused";
      }
      return window.ran ? "ran" : violation;
    });
    same(ran, "refused", "an inline script");
    same(complaints.splice(0).filter((one) => !one.includes("TrustedScript") && !one.includes("Content Security Policy")), [], "other complaints");
  },

  async another_person_sees_nothing_of_the_first({ visit, peer }) {
    const page = await visit();
    await seen(page.getByText("Press line 4"));
    await page.getByRole("button", { name: "Log out" }).click();
    await seen(page.getByRole("button", { name: "Log in" }));
    peer.devices = [makeDevice(90, Date.now(), { alias: "Somebody else’s" })];
    await page.getByLabel("Login").fill("jonas");
    await page.getByLabel("Password").fill("password of jonas");
    await page.getByRole("button", { name: "Log in" }).click();
    await seen(page.getByText("Somebody else’s"));
    await gone(page.getByText("Press line 4"));
    await until(async () => (await page.locator("[data-row]").count()) === 1, "one row");
  },
};
