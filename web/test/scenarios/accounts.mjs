// Logging in and out, passwords, people, roles.
import { gone, holds, path, row, same, seen, until } from "./expect.mjs";

export const accounts = {
  async login_refused_then_accepted({ visit, peer }) {
    const page = await visit({ login: null, path: "/fleet" });
    await page.getByLabel("Login").fill("mara");
    await page.getByLabel("Password").fill("wrong");
    await page.keyboard.press("Enter");
    await seen(page.getByRole("alert").getByText("Login or password is wrong"));
    await page.getByLabel("Password").fill("password of mara");
    await page.keyboard.press("Enter");
    await seen(page.getByRole("heading", { name: "Fleet", level: 1 }));
    same(path(page), "/fleet", "address after login");
    holds(!(await page.evaluate(() => document.cookie)).includes("session"), "the cookie is hidden from scripts");
    same(peer.logins.size, 1, "sessions");
  },

  async logout_ends_the_session({ visit, peer }) {
    const page = await visit();
    await page.getByRole("button", { name: "Log out" }).click();
    await seen(page.getByRole("button", { name: "Log in" }));
    same(peer.logins.size, 0, "sessions on the server");
  },

  async ended_session_returns_to_the_same_address({ visit, peer }) {
    const page = await visit({ path: "/audit?action=device." });
    await seen(page.getByText("Chain verified"));
    peer.logins.clear();
    await page.getByRole("link", { name: "PKI" }).click();
    await seen(page.getByText("Your session has ended"));
    await page.getByLabel("Login").fill("mara");
    await page.getByLabel("Password").fill("password of mara");
    await page.getByRole("button", { name: "Log in" }).click();
    await seen(page.getByRole("heading", { name: "PKI", level: 1 }));
    same(path(page), "/pki", "address");
  },

  async password_change({ visit, peer }) {
    const page = await visit({ path: "/settings" });
    await page.getByLabel("Present password").fill("password of mara");
    await page.getByLabel("New password, at least").fill("correct horse battery");
    await page.getByLabel("New password again").fill("correct horse");
    await seen(page.getByText("The two new passwords differ."));
    await page.getByLabel("New password again").fill("correct horse battery");
    await page.getByRole("button", { name: "Change password" }).click();
    await seen(page.getByText("Password changed."));
    same(peer.passwords.get("mara"), "correct horse battery", "password");
  },

  async person_added_after_step_up({ visit, peer }) {
    const page = await visit({ path: "/settings/people" });
    await seen(row(page, "vera"));
    for (const login of peer.logins.values()) login.steppedUp = false;
    await page.getByRole("textbox", { name: "Login" }).fill("otto");
    await page.getByLabel("First password").fill("a long first one");
    await page.getByLabel("Role").selectOption("operator");
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await page.getByLabel("Your password").fill("wrong");
    await page.getByRole("button", { name: "Confirm" }).click();
    await seen(page.getByText("The password is wrong"));
    await page.getByLabel("Your password").fill("password of mara");
    await page.getByRole("button", { name: "Confirm" }).click();
    await seen(row(page, "otto").getByText("operator"));
    await gone(page.getByLabel("Your password"));
  },

  async viewer_may_look_only({ visit, peer }) {
    const page = await visit({ login: "vera" });
    await seen(row(page, "Press line 4").getByText("Viewers cannot open"));
    same(await page.getByRole("link", { name: "Claim a device" }).count(), 0, "claim links");
    await page.goto(`${peer.origin}/devices/${peer.devices[0].name}`);
    await seen(page.getByText("Live", { exact: true }).nth(1));
    same(await page.getByRole("button", { name: /^End the session/ }).count(), 0, "end buttons");
    holds(await page.getByRole("switch").isDisabled(), "the switch is disabled");
    await page.goto(`${peer.origin}/devices/${peer.devices[0].name}/settings`);
    await seen(page.getByText("your role may look"));
    same(peer.requests.filter((one) => one.method === "POST" && one.path !== "/api/v1/login").length, 0, "acts sent");
  },

  async lost_connection_is_said_and_mended({ visit, peer }) {
    const page = await visit();
    await seen(page.getByText("Live", { exact: true }));
    const before = peer.requests.filter((one) => one.path === "/api/v1/devices").length;
    peer.overrides.set("GET /devices", () => [200, { devices: peer.devices, next: null }]);
    peer.devices[0].rtt_ms = 777; // changed while nobody was listening
    peer.dropStreams();
    await seen(page.getByText("Reconnecting"));
    await seen(row(page, "Press line 4").getByText("777 ms"));
    await seen(page.getByText("Live", { exact: true }));
    await until(() => peer.requests.filter((one) => one.path === "/api/v1/devices").length > before, "devices read again");
  },
};
