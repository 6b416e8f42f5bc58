// The tree of trust and the factories under it: what ends, what was issued, what will happen before it is done.
import { readFileSync } from "node:fs";
import { makeCertificates, makeExpiry } from "../fleet.mjs";
import { axe } from "./appearance.mjs";
import { gone, holds, same, seen } from "./expect.mjs";

const card = (page, name) => page.locator("section.card").filter({ has: page.getByRole("heading", { name, exact: true }) });
const posts = (peer) => peer.requests.filter((one) => one.method === "POST" && one.path.startsWith("/api/v1/sites/"));

export const pki = {
  async pki_tree_says_what_each_ca_has_issued_and_how_long_it_lasts({ visit }) {
    const page = await visit({ path: "/pki" });
    const node = page.locator("details").filter({ has: page.getByText("online-ca", { exact: true }) }).filter({ hasText: "alive of" }).last();
    await seen(node.getByText("1,640 alive of 3,502 issued"));
    await node.locator("summary").focus();
    await page.keyboard.press("Enter");
    await seen(node.getByText("1,640 alive, 1,840 expired, 22 revoked"));
    await seen(node.getByText("in the signer of this installation"));
    await seen(node.getByText("OCSP signer", { exact: true }));
    await seen(page.getByText("2 site CAs, 2,008 certificates alive"));
  },

  async what_younger_cas_have_replaced_is_shown_beside_the_tree({ visit, peer }) {
    const page = await visit({ path: "/pki" });
    await seen(page.getByText("2 site CAs, 2,008 certificates alive"));
    const replaced = page.getByRole("region", { name: "Replaced", exact: true });
    same(await replaced.count(), 0, "sections when nothing was replaced");
    const online = peer.pki.authorities.find((one) => one.name === "online-ca");
    const older = { name: "online-ca", serial: "0a1b", sha256: online.sha256, not_before: online.not_before, not_after: online.not_after, revoked: false };
    peer.pki = { ...peer.pki, replaced: [older, { ...older, name: "server-ca", serial: "2c3d", revoked: true }] };
    await page.reload();
    await seen(replaced.getByRole("row").filter({ hasText: "0a1b" }).getByText("issues nothing any more"));
    await seen(replaced.getByRole("row").filter({ hasText: "2c3d" }).getByText("revoked"));
  },

  async what_ends_is_announced_on_every_page_and_leads_to_what_to_do({ visit, peer }) {
    const page = await visit();
    const banner = page.getByRole("complementary", { name: "What ends" });
    await seen(banner.getByText("The root CRL"));
    await banner.getByRole("link", { name: "What to do, and 1 more" }).click();
    await seen(page.getByText("2 links should have been replaced by now"));
    const row = page.getByRole("row").filter({ hasText: "The root CRL" });
    await seen(row.getByText("sallyport root crl"));
    await page.getByText("3 devices late with the renewal").click();
    same(await page.locator(".late-devices li").count(), 3, "late devices");
    for (const one of peer.expiry.links) one.stage = "in-time";
    await page.reload();
    await seen(page.getByText("Everything is in time: 15 links of the chain of trust"));
    same(await banner.count(), 0, "banners when nothing is late");
  },

  async what_has_ended_is_not_called_late({ visit, peer }) {
    peer.expiry = makeExpiry(Date.now() + 25 * 86_400_000);
    const crl = peer.expiry.links.find((one) => one.kind === "root-crl");
    Object.assign(crl, { stage: "ended", not_after: new Date(Date.now() - 86_400_000).toISOString().replace(/\.\d+Z$/, "Z") });
    const page = await visit({ path: "/pki" });
    holds((await page.locator(".banner").getAttribute("class")).includes("bad"), "the banner is red");
    await seen(page.getByText("It is overdue: devices refuse to talk to servers."));
  },

  async a_tenants_person_asks_nothing_of_the_installation({ visit, peer }) {
    const session = peer.session.bind(peer);
    peer.session = (login, csrf) => ({ ...session(login, csrf), tenant: "lakeside" });
    try {
      const page = await visit();
      await seen(page.getByText("Press line 4"));
      same(peer.requests.filter((one) => one.path === "/api/v1/pki/expiry").length, 0, "questions about the installation");
    } finally {
      delete peer.session;
    }
  },

  async certificates_are_found_by_what_a_person_has_in_hand({ visit, peer }) {
    const page = await visit({ path: "/pki/certificates" });
    const [certificate] = makeCertificates(peer.devices[0], Date.now());
    const box = page.getByRole("searchbox", { name: "Serial number, fingerprint or name" });
    await box.fill(` ${certificate.serial.toUpperCase().match(/../g).join(":")} `);
    await box.press("Enter");
    await seen(page.getByText("1 certificate", { exact: true }));
    await seen(page.getByText("Key fingerprint")); // the only one is open
    holds(new URL(page.url()).searchParams.get("q").length > 0, "the search is an address");
    await page.getByRole("link", { name: "Its device" }).click();
    await seen(page.getByRole("heading", { name: "Press line 4" }));
    await page.goBack();
    await box.fill("sp-10000");
    await page.getByRole("button", { name: "Find" }).click();
    await seen(page.getByText("4 certificates", { exact: true }));
    await box.fill("<b>nothing</b>");
    await page.getByRole("button", { name: "Find" }).click();
    await seen(page.getByRole("heading", { name: "No certificate matches" }));
    await seen(page.getByText("<b>nothing</b>"));
  },

  async certificate_history_of_a_device_can_be_taken_away({ visit, peer }) {
    const page = await visit({ path: `/devices/${peer.devices[0].name}/certificates` });
    await seen(page.getByText("4 certificates, 1 revoked."));
    same(await page.locator(".timeline > li").allInnerTexts().then((all) => all.map((one) => one.split(" ")[0])), ["Operational", "Web", "Operational", "Factory"], "the history");
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: /^Download PEM of operational/ }).first().click();
    const file = await download;
    holds(/^[a-z2-7]{10}-operational-[0-9a-f]{8}\.pem$/.test(file.suggestedFilename()), `name ${file.suggestedFilename()}`);
    holds(readFileSync(await file.path(), "utf8").startsWith("-----BEGIN CERTIFICATE-----"), "the file is PEM");
  },

  async site_is_disabled_and_enabled_after_what_will_happen_was_shown({ visit, peer }) {
    const page = await visit({ path: "/sites" });
    await card(page, "lindau").getByRole("button", { name: "Disable … lindau" }).click();
    const dialog = page.getByRole("dialog");
    await seen(dialog.getByText("1,644 devices in the field stay as they are."));
    await seen(dialog.getByText("On the shelf: 0 may still enrol, 168 may not."));
    await seen(dialog.getByText("It can be undone."));
    const act = dialog.getByRole("button", { name: "Disable", exact: true });
    holds(await act.isDisabled(), "not before the name was typed");
    await dialog.getByLabel("Type the site’s name lindau").fill("lindau");
    await act.click();
    await gone(dialog);
    await seen(card(page, "lindau").getByText("Disabled", { exact: true }));
    same(posts(peer).map((one) => JSON.parse(one.body)), [{ dry_run: true }, { confirm: "lindau" }], "what was sent");
    await card(page, "lindau").getByRole("button", { name: "Enable … lindau" }).click();
    await seen(dialog.getByText("On the shelf: 168 may still enrol, 0 may not."));
    await dialog.getByLabel("Type the site’s name lindau").fill("lindau");
    await dialog.getByRole("button", { name: "Enable", exact: true }).click();
    await seen(card(page, "lindau").getByText("Active", { exact: true }));
  },

  async site_is_revoked_but_for_some_after_the_password({ visit, peer, screenshots }) {
    const page = await visit({ path: "/sites" });
    for (const login of peer.logins.values()) login.steppedUp = false;
    await card(page, "graz").getByRole("button", { name: "Revoke … graz" }).click();
    const dialog = page.getByRole("dialog");
    await seen(dialog.getByText("120 devices are cut off, 60 of them online now."));
    await dialog.getByRole("radio", { name: /^keep those/ }).check();
    await dialog.getByRole("spinbutton").fill("100");
    await seen(dialog.getByText("100 devices in the field stay as they are."));
    await seen(dialog.getByText("20 devices are cut off, 10 of them online now."));
    await seen(dialog.getByText("It cannot be undone."));
    await seen(dialog.getByText("Its CA is not on the root CRL."));
    await page.screenshot({ path: `${screenshots}/revoke-site.png` });
    await axe(page, "the dialog of a revocation");
    await dialog.getByLabel("Type the site’s name graz").fill("graz");
    await dialog.getByRole("button", { name: "Revoke", exact: true }).click();
    await seen(dialog.getByText("This needs your password again"));
    await dialog.getByLabel("Your password").fill("password of mara");
    await dialog.getByRole("button", { name: "Confirm" }).click();
    await gone(dialog);
    await seen(card(page, "graz").getByText("Revoked but entries 1 to 100"));
    const last = JSON.parse(posts(peer).at(-1).body);
    same(last, { confirm: "graz", except_until: 100 }, "the act");
  },

  async a_number_that_is_no_entry_makes_no_plan({ visit, peer }) {
    const page = await visit({ path: "/sites" });
    await card(page, "graz").getByRole("button", { name: "Revoke … graz" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("radio", { name: /^keep those/ }).check();
    for (const wrong of ["0", "197", ""]) {
      await dialog.getByRole("spinbutton").fill(wrong);
      await seen(dialog.getByText("an entry from 1 to 196"));
      await dialog.getByLabel("Type the site’s name graz").fill("graz");
      holds(await dialog.getByRole("button", { name: "Revoke", exact: true }).isDisabled(), `not with ${wrong}`);
    }
    await page.keyboard.press("Escape");
    await gone(dialog);
    holds(posts(peer).every((one) => JSON.parse(one.body).dry_run), "nothing was done");
  },

  async only_owners_change_sites({ visit }) {
    const page = await visit({ login: "jonas", path: "/sites" });
    await seen(card(page, "graz").getByText("196 of 200"));
    await seen(card(page, "graz").getByText("nearly used up"));
    same(await page.getByRole("button", { name: /^(Disable|Enable|Revoke)/ }).count(), 0, "acts for an operator");
  },

  async empty_lists_explain_themselves({ visit, peer }) {
    peer.sites = [];
    peer.pki = { ...peer.pki, root_crl: null, ocsp_signers: [] };
    const page = await visit({ path: "/sites" });
    await seen(page.getByText("sallyport factory init"));
    await page.goto(`${peer.origin}/pki`);
    await seen(page.getByText("Devices refuse every server without one."));
    await seen(page.getByText("The status service cannot answer."));
    await page.goto(`${peer.origin}/pki/certificates`);
    await seen(page.getByText("Every certificate of every CA can be found"));
  },

  async log_shows_its_head_and_the_newest_entries_first({ visit, peer }) {
    const page = await visit({ path: "/pki/log" });
    const { head, entries } = peer.log;
    await seen(page.getByText(`${head.size} entries`, { exact: true }));
    await seen(page.getByText("Signed", { exact: true }));
    const rows = page.locator(".log tbody tr");
    await seen(rows.first().getByText("1,812 entries of site lindau"));
    same(await rows.count(), 50, "rows");
    await page.getByRole("link", { name: "Older entries" }).click();
    await seen(page.getByText(`Entries before ${entries.length - 50}`));
    await page.getByRole("link", { name: "Newer entries" }).click();
    await seen(page.getByText("Newest entries"));
    await rows.nth(2).getByRole("link").click();
    await seen(page.getByText("1 certificate", { exact: true }));
  },

  async log_that_was_set_back_is_said_in_red({ visit, peer }) {
    Object.assign(peer.log.head, { fault: "the log has 12 entries, and 40 were signed", was_set_back: true });
    const page = await visit({ path: "/pki/log" });
    await seen(page.getByText("The log was set back"));
    await seen(page.getByText("the log has 12 entries, and 40 were signed"));
  },

  async empty_log_explains_itself({ visit, peer }) {
    Object.assign(peer.log.head, { size: 0 });
    const page = await visit({ path: "/pki/log" });
    await seen(page.getByRole("heading", { name: "The log is empty" }));
  },

  async every_certificate_of_a_device_is_proven_in_the_browser({ visit, peer }) {
    const page = await visit({ path: `/devices/${peer.devices[4].name}/certificates` });
    const items = page.locator(".timeline > li");
    await seen(items.first());
    for (let at = 0; at < (await items.count()); ++at) {
      const item = items.nth(at);
      if (at > 0) await item.locator("summary").click();
      await item.getByRole("button", { name: /^Prove/ }).click();
      await seen(item.getByText(/^Entry [0-9,]+ of a log of [0-9,]+: the path computed here leads to its head$/));
    }
  },

  async proof_that_does_not_lead_to_the_head_is_found_out({ visit, peer }) {
    const { proofOf } = peer.log;
    const page = await visit({ path: `/devices/${peer.devices[0].name}/certificates` });
    const item = page.locator(".timeline > li").first();
    const prove = item.getByRole("button", { name: /^Prove/ });
    const bad = item.getByText("The proof does not lead to the head");
    const altered = [
      (text) => text.replace(/^index (\d+)$/m, (_, index) => `index ${Number(index) + 2}`), // another entry’s place
      (text) => text.replace(/\n[A-Za-z0-9+/]{43}=\n\n/, "\n\n"), // one hash less
      (text) => text.replace(/\n\n/, `\n${"A".repeat(43)}=\n\n`), // one more
      (text) => text.replace(/^extra \S+$/m, "extra aGVhZA=="), // another entry
      (text) => text.replace(/(\/log\n\d+\n)[A-Za-z0-9+/]{43}=/, `$1${"B".repeat(43)}=`), // another head
    ];
    for (const alter of altered) {
      peer.log.proofOf = (index) => alter(proofOf(index));
      await prove.click();
      await seen(bad);
      peer.log.proofOf = proofOf;
      await prove.click();
      await seen(item.getByText(/leads to its head$/));
    }
    peer.log.proofOf = () => "something else";
    await prove.click();
    await seen(item.getByRole("alert"));
  },

  async certificate_that_was_never_logged_says_so({ visit, peer }) {
    peer.log.entries.forEach((one) => delete one.sha256);
    const page = await visit({ path: `/devices/${peer.devices[0].name}/certificates` });
    await page.getByRole("button", { name: /^Prove/ }).first().click();
    await seen(page.getByRole("alert").getByText("No certificate with this hash is logged."));
  },
};
