// Whether devices can check their servers: in one look, what is wrong and what to do, and that it stays current.
import { readFileSync } from "node:fs";
import { iso } from "../fleet.mjs";
import { axe } from "./appearance.mjs";
import { gone, holds, row, same, seen } from "./expect.mjs";

const day = 86_400_000;
const host = (page, name) => page.locator("section.card").filter({ has: page.getByRole("heading", { name, exact: true }) });
const verdict = (page) => page.locator("#main").getByRole("status");
const asked = (peer) => peer.requests.filter((one) => one.path === "/api/v1/status").length;

export const status = {
  async status_says_in_one_look_that_devices_can_check_their_servers({ visit }) {
    const page = await visit();
    await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Status" }).click();
    await seen(verdict(page).getByText("Devices can check their servers"));
    same(await page.locator("#main .note").count(), 0, "notes when all is well");
    const one = host(page, "status-1");
    await seen(one.getByText("Answers", { exact: true }));
    await seen(one.getByText("4,812"));
    await seen(one.getByText("193,555 in 9 days"));
    await seen(one.getByRole("row").filter({ hasText: "server-ca" }).getByText("20 days", { exact: true }));
    await seen(row(page, "online-ca").filter({ hasText: "this one" }).getByText("22", { exact: true }));
  },

  async a_host_that_is_gone_is_told_and_its_last_word_is_kept({ visit, peer, screenshots }) {
    const page = await visit({ path: "/status" });
    await seen(verdict(page).getByText("Devices can check their servers"));
    Object.assign(peer.status.hosts[1], { state: "gone", reported_at: iso(Date.now() - 7_200_000) });
    const before = asked(peer);
    peer.send("status", {});
    await seen(verdict(page).getByText("Devices can check their servers, and something needs you"));
    holds(asked(peer) > before, "the page asked again by itself");
    await seen(page.getByText("status-2 is not connected to the authority."));
    await seen(host(page, "status-2").getByText("2 h ago").first());
    peer.status.hosts[0].state = "without-lease";
    peer.send("status", {});
    await seen(verdict(page).getByText("Devices cannot check all their servers, and refuse those"));
    await seen(host(page, "status-1").getByText("none: it goes on with what it said of servers and CAs before"));
    await page.screenshot({ path: `${screenshots}/status-bad.png`, fullPage: true });
    await axe(page, "a status page with troubles");
    peer.status.hosts.forEach((one) => (one.state = "answering"));
    peer.send("status", {});
    await gone(page.getByText("is not connected to the authority."));
  },

  async what_a_status_host_cannot_answer_about_is_named({ visit, peer }) {
    const [first, second] = peer.status.hosts;
    for (const one of [first, second]) {
      one.missing_signers = ["web-ca"];
      one.signers = one.signers.filter((signer) => signer.ca !== "web-ca");
    }
    first.signers.find((one) => one.ca === "server-ca").renews_at = iso(Date.now() - 3 * day);
    const page = await visit({ path: "/status" });
    await seen(verdict(page).getByText("Devices cannot check all their servers, and refuse those"));
    await seen(page.getByText("status-1, status-2 has no signer for web-ca: nothing is said of its certificates."));
    await seen(page.getByText("status-1 should have new signers by now for server-ca."));
    const notes = await page.locator("#main .note").evaluateAll((all) => all.map((one) => one.className));
    same(notes, ["note bad", "note warning"], "the worst comes first");
    second.missing_signers = [];
    peer.send("status", {});
    await seen(verdict(page).getByText("Devices can check their servers, and something needs you"));
  },

  async the_root_crl_asks_for_the_next_one_from_two_thirds_of_its_life_on({ visit, peer }) {
    const page = await visit({ path: "/status" });
    await seen(row(page, "no CA").getByText("69 days left"));
    same(await page.getByText("sallyport root install-crl").count(), 0, "commands before it is due");
    Object.assign(peer.status.root_crls[0], { stage: "due", due_at: iso(Date.now() - day), next_update: iso(Date.now() + 25 * day) });
    peer.send("status", {});
    await seen(page.getByText("Two thirds of the life of the CRL of root are over."));
    await seen(page.getByText("sallyport root crl --root DIR --out root.crl"));
    await seen(page.getByText("sallyport root install-crl --crl root.crl"));
    Object.assign(peer.status.root_crls[0], { stage: "ended", next_update: iso(Date.now() - day) });
    peer.send("status", {});
    await seen(verdict(page).getByText("Devices cannot check all their servers, and refuse those"));
    await seen(row(page, "no CA").getByText(/^Overdue for 2[34] h$/));
  },

  async lists_are_taken_away_and_old_ones_that_are_served_are_named({ visit, peer }) {
    peer.status.hosts[1].crls[0].number = 699;
    peer.status.hosts[1].crls.splice(2, 1);
    const page = await visit({ path: "/status" });
    await seen(row(page, "online-ca").getByText("number 699 still"));
    await seen(row(page, "web-ca").filter({ hasText: "702" }).getByText("none", { exact: true }));
    const download = page.waitForEvent("download");
    await page.getByRole("link", { name: "Download the CRL of online-ca, 300 B" }).click();
    const file = await download;
    same(file.suggestedFilename(), "online-ca.crl", "the name");
    same(readFileSync(await file.path()).toString("hex"), "3000", "the list as the console gave it");
  },

  async nothing_told_yet_is_explained({ visit, peer }) {
    Object.assign(peer.status, { hosts: [], crls: [] });
    const page = await visit({ path: "/status" });
    await seen(page.getByRole("heading", { name: "No status host yet" }));
    await seen(page.getByRole("heading", { name: "No list yet" }));
    await seen(page.getByText("No status host has told of itself since the authority began."));
    await seen(page.getByText("sallyport doctor"));
    await axe(page, "a status page without a host");
  },

  async a_kind_of_answer_of_another_version_is_shown_by_its_own_name({ visit, peer }) {
    const page = await visit({ path: "/status" });
    await seen(verdict(page).getByText("Devices can check their servers"));
    peer.status.hosts[0].answers = { "signed-twice": 5 };
    peer.send("status", {});
    await seen(host(page, "status-1").getByText("signed-twice"));
  },
};
