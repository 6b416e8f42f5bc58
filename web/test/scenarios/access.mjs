// Into a device and out again: open, claim, switch, end, suspend, revoke; what it measured; the log of it all.
import { readFileSync } from "node:fs";
import { gone, holds, path, row, same, seen, until } from "./expect.mjs";

export const access = {
  async open_reaches_the_device_in_two_clicks({ visit, peer }) {
    const page = await visit();
    const popup = page.waitForEvent("popup");
    await page.getByRole("link", { name: "Open web of Press line 4" }).click();
    const opened = await popup;
    await seen(opened.getByRole("heading", { name: "The device’s own page" }));
    same(peer.entries.length, 1, "entries at the device");
    const [entry] = peer.entries;
    holds(new RegExp(`^[a-z2-7]{16}\\.${peer.devices[0].name}\\.devices\\.localhost$`).test(entry.host), `host ${entry.host}`);
    same(entry.origin, peer.origin, "Origin");
    same(entry.type, "application/x-www-form-urlencoded", "type of the form");
    holds(/^secret=[A-Za-z0-9_-]{43}$/.test(entry.body), "the body is the secret alone");
    same(await opened.evaluate(() => window.opener), null, "opener");
  },

  async open_says_why_not({ visit, peer }) {
    const page = await visit();
    await seen(row(page, "Press line 4"));
    const cases = [
      [{ online: false }, "The device is offline", "comes back by itself"],
      [{ online: true, remote_access: false }, "Remote access is off", "can switch remote access on"],
      [{ remote_access: true, device_switch: false }, "The device’s own switch is off", "Somebody at the device"],
    ];
    const link = page.getByRole("link", { name: "Open web of Press line 4" });
    const handle = await link.elementHandle();
    const address = await handle.getAttribute("href");
    for (const [changes, title, remedy] of cases) {
      Object.assign(peer.devices[0], changes); // between the list and the click, unseen by the list
      const popup = page.waitForEvent("popup");
      await link.click();
      const opened = await popup;
      await seen(opened.getByRole("alert").getByText(title));
      await seen(opened.getByText(remedy));
      same(new URL(opened.url()).pathname, new URL(address, peer.origin).pathname, "it stays on the page");
      await opened.close();
    }
    peer.devices[0].device_switch = true;
    const popup = page.waitForEvent("popup");
    peer.devices[0].online = false;
    await link.click();
    const opened = await popup;
    await seen(opened.getByRole("alert"));
    peer.devices[0].online = true;
    await opened.getByRole("button", { name: "Try again" }).click();
    await seen(opened.getByRole("heading", { name: "The device’s own page" }));
  },

  async claim({ visit, peer }) {
    const page = await visit();
    await page.getByRole("link", { name: "Claim a device" }).click();
    await page.getByLabel("Serial id").fill("SP-10008");
    await page.getByLabel("Claim code").fill("wrong");
    await page.getByRole("button", { name: "Claim", exact: true }).click();
    await seen(page.getByRole("alert").getByText("Serial id and code do not belong together"));
    await page.getByLabel("Claim code").fill("K7QM-2PXR-9TAB-4WNC");
    await page.getByLabel("Alias").fill("Conveyor 9");
    await page.getByRole("button", { name: "Claim", exact: true }).click();
    await until(() => path(page) === `/devices/${peer.devices[8].name}`, "the device is shown");
    await seen(page.getByRole("heading", { name: "Conveyor 9" }));
    await page.getByRole("switch").click();
    await seen(page.getByText("Remote access is on"));
    same(peer.devices[8].remote_access, true, "remote access");
  },

  async session_is_ended({ visit, peer }) {
    const page = await visit({ path: `/devices/${peer.devices[0].name}` });
    const live = page.getByRole("region", { name: "Live sessions", exact: true });
    await seen(live.getByText("jonas"));
    const [session] = peer.sessions;
    peer.sessions[0].bytes_to_user = 987_000_000;
    peer.send("session", session);
    await seen(live.getByText("987 MB"));
    await live.getByRole("button", { name: "End the session of jonas" }).first().click();
    await seen(page.getByText("Ended the session of jonas"));
    await gone(live.getByText("jonas"));
    await page.getByRole("link", { name: "All sessions" }).click();
    await seen(row(page, "ended in the console"));
    await seen(row(page, "closed by the user"));
  },

  async suspend_and_resume({ visit, peer }) {
    const page = await visit({ path: `/devices/${peer.devices[0].name}/settings` });
    await seen(page.getByText("2 live sessions"));
    await page.getByRole("button", { name: "Suspend the device" }).click();
    await seen(page.locator(".page-head").getByText("Suspended"));
    await page.getByRole("button", { name: "Resume the device" }).click();
    await gone(page.locator(".page-head").getByText("Suspended"));
    same(peer.devices[0].state, "claimed", "state");
    await page.getByLabel("What people call this device").fill("Press line 5");
    await page.getByRole("button", { name: "Save" }).click();
    await seen(page.getByRole("heading", { name: "Press line 5" }));
  },

  async revoke_shows_what_will_happen_and_wants_the_name({ visit, peer, screenshots }) {
    const page = await visit({ path: `/devices/${peer.devices[0].name}/settings` });
    for (const login of peer.logins.values()) login.steppedUp = false;
    await page.getByRole("button", { name: "Revoke …" }).click();
    const dialog = page.getByRole("dialog");
    await seen(dialog.getByText("Cuts 2 live sessions."));
    await seen(dialog.getByText("Revokes 3 certificates."));
    const revoke = dialog.getByRole("button", { name: "Revoke", exact: true });
    holds(await revoke.isDisabled(), "disabled before the name is typed");
    await dialog.getByRole("textbox").fill("sp-10001");
    holds(await revoke.isDisabled(), "disabled under another name");
    await page.keyboard.press("Escape");
    await gone(dialog);
    same(peer.devices[0].state, "claimed", "state after Escape");
    await page.getByRole("button", { name: "Revoke …" }).click();
    await dialog.getByRole("textbox").fill("sp-10000");
    await page.screenshot({ path: `${screenshots}/revoke.png` });
    await revoke.click();
    await dialog.getByLabel("Your password").fill("password of mara");
    await dialog.getByRole("button", { name: "Confirm" }).click();
    await seen(page.locator(".page-head").getByText("Revoked"));
    await gone(dialog);
    same(peer.devices[0].state, "revoked", "state");
    same(peer.requests.filter((one) => one.path.endsWith("/revoke")).map((one) => JSON.parse(one.body).confirm), ["sp-10000", "sp-10000"], "confirmations");
  },

  async telemetry_is_drawn_and_downloaded({ visit, peer }) {
    const page = await visit({ path: `/devices/${peer.devices[0].name}/telemetry` });
    await seen(page.getByRole("img", { name: /^temperature_c over time/ }));
    await seen(page.getByRole("img", { name: /^motor.rpm over time/ }));
    const canvas = page.locator(".chart canvas").first();
    await seen(canvas);
    const accentPixels = () => canvas.evaluate((element) => {
      const { data } = element.getContext("2d").getImageData(0, 0, element.width, element.height);
      let found = 0;
      for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 120 && data[at + 2] > data[at] + 60) ++found;
      return found;
    });
    await until(async () => (await accentPixels()) > 300, "a line is drawn");
    await page.getByLabel("Range", { exact: true }).selectOption("6h");
    await until(() => path(page).endsWith("?range=6h"), "address has the range");
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download CSV" }).click();
    const text = readFileSync(await (await download).path(), "utf8");
    holds(text.startsWith("sequence,time,value\r\n") && text.includes('""temperature_c""'), "the CSV has the items");
    await page.getByLabel("Stream", { exact: true }).selectOption("events");
    await seen(page.getByText("3 items dropped by the device"));
    await seen(page.getByText("Nothing in the last 6 hours."));
  },

  async audit_is_verified_and_filtered({ visit, peer }) {
    const page = await visit({ path: "/audit" });
    await seen(page.getByText("Chain verified"));
    const entries = page.locator("button[data-row]");
    same(await entries.count(), 100, "entries on a page");
    same(await entries.first().textContent(), "230", "newest first");
    await page.getByRole("link", { name: "Older entries" }).click();
    await until(async () => (await entries.first().textContent()) === "130", "the page before");
    await page.getByRole("link", { name: "Older entries" }).click();
    await until(async () => (await entries.count()) === 30, "the last page has the rest");
    await page.goto(`${peer.origin}/audit`);
    await page.getByLabel("Action").selectOption("certificate.");
    await until(async () => (await entries.count()) === 38, "certificate entries");
    await entries.first().click();
    await seen(page.getByText("Previous hash"));
    await seen(page.getByText("online-ca"));
    peer.auditBrokenAt = 77;
    await page.reload();
    await seen(page.getByText("Chain broken"));
    await seen(page.getByText("at entry 77"));
  },

  async other_pages_answer_their_questions({ visit }) {
    const page = await visit({ path: "/fleet" });
    await seen(page.getByText("Two machines took turns"));
    await page.getByRole("link", { name: "within 7 days" }).click();
    await seen(row(page, "Palletiser north"));
    same(await page.locator("[data-row]").count(), 1, "expiring within a week");
    await page.getByRole("link", { name: "Sites" }).click();
    await seen(page.getByText("196 of 200"));
    await seen(page.getByText("ledger.fork"));
    await page.getByRole("link", { name: "PKI" }).click();
    await seen(page.getByText("Two thirds of its life are over"));
    await page.getByText("server-ca", { exact: true }).first().click();
    await seen(page.getByText("CN=Sallyport server-ca Lakeside Machines"));
  },
};
