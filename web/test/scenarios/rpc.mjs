// Finding nodes, calling their methods, and looking after keys.
import { axe } from "./appearance.mjs";
import { gone, holds, path, row, same, seen, until } from "./expect.mjs";

const answer = (page) => page.getByRole("region", { name: /^Answer of/ });
const openMethod = async (page, method) => {
  await page.getByRole("link", { name: method, exact: true }).click();
  await seen(page.getByRole("form", { name: `Call ${method}` }));
};
const params = (page) => page.getByLabel(/^Params of/);
const callNow = (page, method) => page.getByRole("button", { name: `Call ${method}` }).click();
const posts = (peer, end) => peer.requests.filter((one) => one.method === "POST" && one.path.endsWith(end));

export const rpc = {
  async nodes_say_whether_they_are_true({ visit, peer }) {
    const page = await visit({ path: "/rpc" });
    await seen(row(page, "press-4").getByText("Verified"));
    await seen(row(page, "press-4").getByRole("link", { name: peer.devices[0].name }));
    await seen(row(page, "boiler").getByText("Contested"));
    await seen(row(page, "forged").getByText("bundle: signature does not verify"));
    await seen(row(page, "old-plc").getByText("Says nothing"));
    await seen(page.getByText("connection refused"));
    peer.rpc.nodes.push({ ...peer.rpc.nodes[1], name: "newcomer" });
    peer.send("rpc", {});
    await seen(row(page, "newcomer"));
    await axe(page, "nodes");
  },

  async without_a_broker_the_page_says_how_to_set_it_up({ visit, peer }) {
    peer.rpc.configured = false;
    const page = await visit({ path: "/rpc" });
    await seen(page.getByRole("heading", { name: "Nodes are not called from here yet" }));
    await seen(page.getByText("[[rpc.broker]]"));
    await seen(page.getByText("cp broker-ca.pem /var/lib/sallyport/caller/"));
    await axe(page, "a page without a broker");
  },

  async brokers_that_are_down_are_said_aloud({ visit, peer }) {
    for (const broker of peer.rpc.brokers) Object.assign(broker, { connected: false, reason: "connection refused" });
    const page = await visit({ path: "/rpc" });
    await seen(page.getByRole("alert").getByText("No broker is connected"));
    await page.goto(`${peer.origin}/rpc/press-4`);
    await seen(page.getByRole("alert").getByText("no broker is connected; broker.example:8883: connection refused"));
  },

  async a_method_is_called_and_its_answer_read({ visit, peer }) {
    const page = await visit({ path: "/rpc" });
    await page.getByRole("link", { name: "press-4" }).click();
    await openMethod(page, "press.start");
    same(path(page), "/rpc/press-4?method=press.start", "the address");
    await params(page).fill('{"speed": 3}');
    peer.rpc.next.push({ progress: [{ percent: 10 }] });
    await callNow(page, "press.start");
    await seen(answer(page).getByText("Under way"));
    await seen(answer(page).getByText('{"percent":10}'));
    const [{ call }] = peer.rpc.calls.values();
    call.progress.push("half of it");
    peer.send("rpc", {});
    await seen(answer(page).getByText("half of it"));
    Object.assign(call, { state: "ended", outcome: "answered", took_ms: 1_234, result: { rpm: 3000, state: "running" } });
    peer.send("rpc", {});
    await seen(answer(page).getByText("Answered"));
    await seen(answer(page).getByText("after 1.23 s"));
    same(await answer(page).getByRole("group", { name: "answer" }).textContent(), '{\n  "rpm": 3000,\n  "state": "running"\n}', "the answer");
    same(JSON.parse(posts(peer, "/calls")[0].body), { method: "press.start", idempotent: false, timeout_ms: 30_000, params: '{"speed": 3}' }, "the order");
    await seen(page.getByRole("region", { name: "Calls from this page" }).getByText("Answered"));
    await axe(page, "an answer");
  },

  async params_that_are_not_json_are_told_by_their_place({ visit }) {
    const page = await visit({ path: "/rpc/press-4?method=press.start" });
    for (const [text, told] of [
      ["{", "Line 1, column 2: the text ends too early: want a name in double quotes."],
      ['{\n  "speed": 3,\n}', "Line 3, column 1: a comma before the end."],
      ['{"a": \'x\'}', "Line 1, column 7: want double quotes."],
      ['{\n "a": 1\n "b": 2}', "Line 3, column 2: want , or }."],
      ['{"a" 1}', "Line 1, column 6: want : after the name."],
      ['{"a": "x\n"}', "Line 1, column 7: this text has no end."],
      ['{"a": 01}', "Line 1, column 7: want a value."],
      ['{"a": "\\x"}', "Line 1, column 9: an escape that JSON does not have."],
      ["{} x", "Line 1, column 4: something follows the value."],
      ["3", "Line 1, column 1: want an object { … } or an array [ … ]."],
    ]) {
      await params(page).fill(text);
      await seen(page.getByText(told, { exact: true }));
      same(await page.getByRole("button", { name: "Call press.start" }).isDisabled(), true, `calling with ${text}`);
    }
    await params(page).fill('[1, -2.5e3, "é\\n", {"a": [true, null]}]');
    await until(() => page.getByRole("button", { name: "Call press.start" }).isEnabled(), "params that are right");
  },

  async params_are_remembered_for_their_method_and_ctrl_enter_calls({ visit, peer }) {
    const page = await visit({ path: "/rpc/press-4?method=press.start" });
    await params(page).fill('{"speed": 7}');
    await openMethod(page, "test");
    same(await params(page).inputValue(), "", "params of another method");
    await openMethod(page, "press.start");
    same(await params(page).inputValue(), '{"speed": 7}', "params as left");
    await params(page).press("Control+Enter");
    await seen(answer(page).getByText("Answered"));
    same(posts(peer, "/calls").length, 1, "calls");
    same(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]), [0, 0, ""], "what the page leaves in the browser");
  },

  async an_outcome_that_nobody_knows_is_asked_for_again_under_its_id({ visit, peer }) {
    const page = await visit({ path: "/rpc/press-4?method=press.start" });
    peer.rpc.next.push({ state: "ended", outcome: "unknown", detail: "no answer within 30 s", took_ms: 30_000 });
    await callNow(page, "press.start");
    await seen(answer(page).getByText("Outcome unknown"));
    await seen(answer(page).getByText(/It may have run, may be running, or may never have arrived/));
    await answer(page).getByRole("button", { name: "Ask again under the same id" }).click();
    await seen(answer(page).getByText("Answered"));
    await seen(answer(page).getByText("asked 2 times"));
    const [first, second] = posts(peer, "/calls").map((one) => JSON.parse(one.body));
    same(first.id, undefined, "the id of the first");
    same(second.id, [...peer.rpc.calls.keys()][0], "the id of the second");
    same(second.key, "console", "the key of the second");
    delete second.id;
    delete second.key;
    same(second, first, "the same call");
    await gone(answer(page).getByRole("button", { name: "Ask again under the same id" }));
  },

  async what_came_of_the_sending_before_is_not_taken_for_what_came_of_this_one({ visit, peer }) {
    const page = await visit({ path: "/rpc/press-4?method=press.start" });
    peer.rpc.next.push({ state: "ended", outcome: "unsent", detail: "no broker is connected", took_ms: 1 });
    await callNow(page, "press.start");
    await seen(answer(page).getByText("Not sent"));
    let release;
    const held = new Promise((resolve) => (release = resolve));
    await page.route(/\/calls$/, async (route) => {
      await held;
      await route.continue();
    });
    const looks = () => peer.requests.filter((one) => one.method === "GET" && one.path.includes("/rpc/calls/")).length;
    const before = looks();
    await answer(page).getByRole("button", { name: "Ask again under the same id" }).click();
    peer.rpc.nodes.find((one) => one.name === "press-4").verdict = "contested";
    peer.send("rpc", {});
    await seen(page.getByText("Contested"));
    await seen(answer(page).getByText("Under way"));
    same(looks(), before, "looks at the sending before");
    release();
    await seen(answer(page).getByText("Answered"));
  },

  async a_call_is_not_asked_for_again_by_another_key({ visit, peer }) {
    const page = await visit({ path: "/rpc/press-4?method=press.start" });
    peer.rpc.next.push({ state: "ended", outcome: "unknown", detail: "no answer within 30 s", took_ms: 30_000 });
    await callNow(page, "press.start");
    await seen(answer(page).getByText("Outcome unknown"));
    peer.rpc.calls.clear();
    peer.rpc.nodes.find((one) => one.name === "press-4").calls_key.id = "console-2";
    await answer(page).getByRole("button", { name: "Ask again under the same id" }).click();
    await seen(answer(page).getByText(/this call was sent by key 'console', and 'console-2' is kept now/));
    await seen(answer(page).getByText("Outcome unknown"));
    same(await answer(page).getByText("Not begun").count(), 0, "a word that it did not run");
    same(peer.rpc.calls.size, 0, "calls that were sent");
  },

  async a_call_that_is_forgotten_is_still_asked_for_again({ visit, peer }) {
    const page = await visit({ path: "/rpc/press-4?method=press.start" });
    peer.rpc.next.push({});
    await callNow(page, "press.start");
    await seen(answer(page).getByText("Under way"));
    const [id] = peer.rpc.calls.keys();
    peer.rpc.calls.clear();
    peer.send("rpc", {});
    await seen(answer(page).getByText(/was restarted meanwhile/));
    await answer(page).getByRole("button", { name: "Ask again under the same id" }).click();
    await seen(answer(page).getByText("Answered"));
    same([...peer.rpc.calls.keys()], [id], "ids");
  },

  async a_node_that_says_no_is_quoted({ visit, peer }) {
    const page = await visit({ path: "/rpc/press-4?method=press.start" });
    peer.rpc.next.push({ state: "ended", outcome: "failed", detail: "denied", took_ms: 12, error: { code: -32002, message: "method press.start: denied by 'press.*'", data: { rule: 3 } } });
    await callNow(page, "press.start");
    await seen(answer(page).getByText("Refused or failed"));
    await seen(answer(page).getByText("method press.start: denied by 'press.*'"));
    await seen(answer(page).getByText("(-32002)"));
    same(await answer(page).getByRole("button", { name: "Ask again under the same id" }).count(), 0, "nothing to ask again");
  },

  async a_silent_node_is_explained({ visit, peer }) {
    const page = await visit({ path: "/rpc/silent" });
    await seen(page.getByRole("alert").getByText("The node does not answer"));
    await seen(page.getByText(/is none of its keys: it was removed, rotated/));
    await page.goto(`${peer.origin}/rpc/press-4?method=press.start`);
    peer.rpc.next.push({ state: "ended", outcome: "unheard", detail: "no answer within 30 s", took_ms: 30_000 });
    await callNow(page, "press.start");
    await seen(answer(page).getByText("No answer; it did not run"));
  },

  async without_a_key_nothing_is_called_and_viewers_look_on({ visit, peer }) {
    const page = await visit({ path: "/rpc/boiler" });
    await seen(page.getByText("No key for calls is kept for this node."));
    await seen(page.getByText(/A call still reaches only whoever has the key/));
    const viewer = await visit({ login: "vera", path: "/rpc/press-4" });
    await seen(viewer.getByText(/Looking is all a viewer may do/));
    same(await viewer.getByRole("link", { name: "Keys" }).count(), 0, "a viewer's way to the keys");
    const operator = await visit({ login: "jonas", path: "/rpc/press-4/keys" });
    await seen(operator.getByRole("heading", { name: "press-4" }));
    same(await operator.getByText("Kept here").count(), 0, "an operator's look at the keys");
    same(peer.requests.filter((one) => one.path.startsWith("/api/") && one.path.endsWith("/keys")).length, 0, "keys asked for");
  },

  async a_new_keys_secret_is_shown_once({ visit, peer }) {
    const page = await visit({ path: "/rpc/press-4/keys" });
    await page.getByRole("button", { name: "Add a key …" }).click();
    await page.getByLabel("Id", { exact: true }).fill("plant-b");
    await page.getByLabel(/^May call/).fill("press.*, keys.list");
    await seen(page.getByText(/its holder can make any key/));
    await page.getByLabel(/^May call/).fill("press.* test");
    await page.getByLabel(/^But not/).fill("press.reset");
    await axe(page, "the form of a new key");
    await page.getByRole("button", { name: "Make the key" }).click();
    await seen(page.getByText("This is the only time that it is shown."));
    const secret = await page.locator(".secret-line code").textContent();
    holds(/^spk1_plant-b_[\w-]{43}_/.test(secret), `a key's line, found ${secret}`);
    await seen(page.getByRole("button", { name: "Copy key plant-b" }));
    await axe(page, "a new secret");
    await page.getByRole("button", { name: "I have it" }).click();
    await seen(row(page, "plant-b").getByText("press.* test".replace(" ", "  ")));
    same((await page.content()).includes(secret), false, "the secret after the dialog");
    const sent = JSON.parse(posts(peer, "/keys")[0].body);
    same(sent, { id: "plant-b", allow: ["press.*", "test"], deny: ["press.reset"], calls_per_minute: 600 }, "the order");
    await page.reload();
    await seen(row(page, "plant-b"));
    same((await page.content()).includes(secret), false, "the secret after a reload");
  },

  async a_key_that_the_node_refuses_is_said_in_its_words({ visit }) {
    const page = await visit({ path: "/rpc/press-4/keys" });
    await page.getByRole("button", { name: "Add a key …" }).click();
    await page.getByLabel("Id", { exact: true }).fill("admin");
    await page.getByRole("button", { name: "Make the key" }).click();
    await seen(page.getByRole("dialog").getByText("key 'admin': is there already; rotate or remove it"));
  },

  async rotating_asks_for_the_password_and_keeps_what_is_kept_here({ visit, peer }) {
    const page = await visit({ path: "/rpc/press-4/keys" });
    for (const login of peer.logins.values()) login.steppedUp = false;
    await page.getByRole("button", { name: "Rotate admin" }).click();
    await seen(page.getByText("This console calls with it, and goes on with the new one. Should the answer be lost on the way, it goes on with the present one for the overlap, so there has to be one."));
    same(await page.getByLabel("Overlap").locator("option").allTextContents(), ["1 hour", "1 day", "7 days", "30 days"], "the overlaps of a key that is kept here");
    await page.getByLabel("Overlap").selectOption("3600");
    await page.getByRole("button", { name: "Rotate", exact: true }).click();
    await page.getByLabel("Your password").fill("password of mara");
    await page.getByRole("button", { name: "Confirm" }).click();
    await seen(page.getByText("It is kept here too, in place of the one before."));
    await page.getByRole("button", { name: "I have it" }).click();
    await gone(page.getByRole("dialog"));
  },

  async another_key_may_be_rotated_at_once({ visit, peer }) {
    const page = await visit({ path: "/rpc/press-4/keys" });
    await page.getByRole("button", { name: "Rotate line-control" }).click();
    await page.getByLabel("Overlap").selectOption("0");
    await seen(page.getByText(/The present secret ends at once/));
    await page.getByRole("button", { name: "Rotate", exact: true }).click();
    await seen(page.getByText("This is the only time that it is shown."));
    same(JSON.parse(posts(peer, "/keys/line-control/rotate")[0].body), { overlap_s: 0 }, "the order");
  },

  async removing_says_what_will_happen_and_wants_the_id({ visit }) {
    const page = await visit({ path: "/rpc/press-4/keys" });
    await page.getByRole("button", { name: "Remove line-control" }).click();
    await seen(page.getByText(/is cut within a second/));
    const remove = page.getByRole("button", { name: "Remove", exact: true });
    same(await remove.isDisabled(), true, "removing before the id is typed");
    await page.getByLabel(/^Type the key’s id/).fill("line-control");
    await remove.click();
    await gone(row(page, "line-control"));
    await page.getByRole("button", { name: "Remove admin" }).click();
    await seen(page.getByText(/This console manages the node’s keys with it/));
  },

  async a_key_is_kept_and_forgotten_and_never_shown({ visit, peer }) {
    const page = await visit({ path: "/rpc" });
    const line = `spk1_console_${"A".repeat(43)}_abcdef`;
    await page.getByRole("button", { name: "Keep a key for a node …" }).click();
    await page.getByLabel("Node", { exact: true }).fill("plc-9");
    await page.getByLabel(/^The line that was shown/).fill("spk2_wrong");
    await page.getByRole("button", { name: "Keep it" }).click();
    await seen(page.getByRole("dialog").getByText(/is none, or was mistyped/));
    await page.getByLabel(/^The line that was shown/).fill(line);
    await page.getByRole("button", { name: "Keep it" }).click();
    await seen(page.getByRole("heading", { name: "plc-9" }));
    await seen(page.getByRole("link", { name: "press.start", exact: true }));
    await page.getByRole("link", { name: "Keys", exact: true }).click();
    await seen(page.getByText(/by mara/));
    same((await page.content()).includes("A".repeat(43)), false, "the key on the page");
    await page.getByRole("button", { name: "Forget the key for calls" }).click();
    await seen(page.getByText(/The node goes on knowing the key/));
    await page.getByRole("button", { name: "Forget", exact: true }).click();
    await until(() => peer.rpc.nodes.find((one) => one.name === "plc-9").calls_key === null, "the key forgotten");
    await gone(page.getByRole("dialog"));
  },

  async a_device_leads_to_its_node({ visit, peer }) {
    const page = await visit({ path: `/devices/${peer.devices[0].name}` });
    await page.getByRole("link", { name: "RPC" }).last().click();
    await page.getByRole("link", { name: "press-4" }).click();
    await seen(page.getByRole("heading", { name: "press-4" }));
    await page.goto(`${peer.origin}/devices/${peer.devices[6].name}/rpc`);
    await seen(page.getByText(/None tells of itself as this device/));
  },

  async calls_of_one_person_are_not_the_next_ones({ visit }) {
    const page = await visit({ path: "/rpc/press-4?method=press.start" });
    await params(page).fill('{"pin": 4711}');
    await callNow(page, "press.start");
    await seen(answer(page).getByText("Answered"));
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByLabel("Login").fill("jonas");
    await page.getByLabel("Password").fill("password of jonas");
    await page.getByRole("button", { name: "Log in" }).click();
    await seen(page.getByRole("form", { name: "Call press.start" }));
    same(await params(page).inputValue(), "", "params of the person before");
    same(await page.getByText("Calls from this page").count(), 0, "calls of the person before");
  },
};
