// The list of devices: what it shows, how it stays current, how it is searched and driven by keys.
import { makeDevice } from "../fleet.mjs";
import { gone, holds, path, row, same, seen, until } from "./expect.mjs";

const order = (page) => page.locator("[data-row]").allTextContents();
const focused = (page) => page.evaluate(() => document.activeElement?.textContent);

export const list = {
  async devices_show_state_services_and_age({ visit }) {
    const page = await visit();
    const press = row(page, "Press line 4");
    await seen(press.getByText("Online"));
    await seen(press.getByRole("link", { name: "Open web of Press line 4" }));
    await seen(press.getByText("sp-10000"));
    await seen(row(page, "Chiller 2").getByText("Offline").first());
    await seen(row(page, "Boiler house").getByText("Off at the device"));
    await seen(row(page, "Mixer B").getByText("1 alarm"));
    await seen(row(page, "sp-10008").getByText("Unclaimed").first());
    await seen(row(page, "sp-10009").getByText("Suspended"));
    await seen(row(page, "sp-10010").getByText("Revoked"));
    await seen(row(page, "sp-10011").getByText("Not yet seen"));
    await seen(page.getByText("24 in all"));
  },

  async changes_appear_in_place({ visit, peer }) {
    const page = await visit();
    await seen(row(page, "Press line 4"));
    await seen(page.getByText("Live", { exact: true }));
    const before = await order(page);
    peer.change(peer.devices[0], { online: false, rtt_ms: null, alias: "Zz renamed" });
    await seen(row(page, "Zz renamed").getByText("Offline").first());
    const after = await order(page);
    same(after.indexOf("Zz renamed"), before.indexOf("Press line 4"), "place of the row");
    const newcomer = makeDevice(70, Date.now(), { alias: "Aa newcomer" });
    peer.devices.push(newcomer);
    peer.send("device", newcomer);
    await seen(page.getByRole("button", { name: "1 more device to show" }));
    same(await order(page), after, "rows before the person asks");
    await page.getByRole("button", { name: "1 more device to show" }).click();
    await seen(row(page, "Aa newcomer"));
    same((await order(page))[0], "Aa newcomer", "first row");
  },

  async filters_are_addresses({ visit, peer }) {
    const page = await visit();
    await page.getByLabel("State").selectOption("offline");
    await until(() => path(page) === "/devices?state=offline", "address has the state");
    await page.getByLabel("Site").selectOption("graz");
    await until(() => path(page) === "/devices?state=offline&site=graz", "address has both");
    await gone(row(page, "Press line 4"));
    const wanted = peer.devices.filter((one) => one.state === "claimed" && !one.online && one.site === "graz").length;
    same((await order(page)).length, wanted, "rows");
    await page.reload();
    await until(async () => (await order(page)).length === wanted, "the same rows after a reload");
    await page.getByRole("link", { name: "Clear" }).click();
    await seen(row(page, "Press line 4"));
    await page.getByLabel("State").selectOption("retired");
    await seen(page.getByText("No device matches"));
  },

  async sorting({ visit }) {
    const page = await visit();
    await seen(row(page, "Press line 4"));
    await page.getByRole("button", { name: "RTT" }).click();
    await until(() => path(page) === "/devices?sort=rtt", "address has the order");
    same(await page.getByRole("columnheader", { name: "RTT" }).getAttribute("aria-sort"), "ascending", "aria-sort");
    same((await order(page))[0], "Press line 4", "the fastest");
    await page.getByRole("button", { name: "RTT" }).click();
    await until(() => path(page) === "/devices?sort=-rtt", "address has the order");
  },

  async search_by_slash({ visit, peer }) {
    const page = await visit({ path: "/pki" });
    await seen(page.getByRole("heading", { name: "PKI", level: 1 }));
    await page.keyboard.press("/");
    await page.keyboard.type("lindau sp-1000");
    await page.keyboard.press("Enter");
    await until(() => path(page) === "/devices?q=lindau%20sp-1000", "address of the search");
    await seen(row(page, "Press line 4"));
    await page.keyboard.press("/");
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.type("boiler");
    await until(async () => (await order(page)).length === 1, "one row while typing");
    await page.keyboard.press("Enter");
    await until(() => path(page) === `/devices/${peer.devices[2].name}`, "the only match is opened");
  },

  async keys_walk_the_table({ visit, peer }) {
    const page = await visit();
    await seen(row(page, "Press line 4"));
    const rows = await order(page);
    await page.locator("h1").click();
    await page.keyboard.press("j");
    same(await focused(page), rows[0], "first row");
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    same(await focused(page), rows[2], "third row");
    await page.keyboard.press("k");
    same(await focused(page), rows[1], "second row");
    const press = rows.indexOf("Press line 4");
    for (let at = 1; at < press; ++at) await page.keyboard.press("j");
    const popup = page.waitForEvent("popup");
    await page.keyboard.press("o");
    await seen((await popup).getByRole("heading", { name: "The device’s own page" }));
    await page.keyboard.press("Enter");
    await until(() => path(page) === `/devices/${peer.devices[0].name}`, "Enter opens the device");
  },

  async first_device_is_explained({ visit, peer }) {
    peer.devices.length = 0;
    const page = await visit();
    await seen(page.getByText("No devices yet"));
    for (const command of ["init", "run", "claim-code"]) await seen(page.getByText(`sallyport-agent ${command}`));
  },

  async hundred_thousand_rows_stay_quick({ visit, peer }) {
    const now = Date.now();
    peer.devices = Array.from({ length: 100_000 }, (_, number) => makeDevice(number, now));
    peer.overrides.set("GET /devices", ({ query }) => {
      const from = Number(query.get("after") ?? 0);
      const next = from + 1000 < peer.devices.length ? String(from + 1000) : null;
      return [200, { devices: peer.devices.slice(from, from + 1000), next }];
    });
    const page = await visit();
    await page.getByText("100,000 in all").waitFor({ timeout: 60_000 });
    await gone(page.getByText("so far"));
    const drawn = await page.locator("table.devices tbody tr").count();
    holds(drawn < 120, `rows drawn: found ${drawn}, want fewer than 120`);
    same(await page.getByRole("table", { name: "Devices" }).getAttribute("aria-rowcount"), "100001", "aria-rowcount");
    await page.evaluate(() => window.scrollTo(0, document.body.scrollHeight));
    await seen(row(page, "Weighbridge")); // the last alias in order
    await page.getByRole("searchbox").fill("sp-109999");
    await until(async () => (await order(page)).length === 1, "one row found");
  },
};
