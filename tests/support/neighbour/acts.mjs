// More acts of the person of tools/demo/browser.mjs: who has two devices' pages open, one of them hostile.

const headersPatience = 1000;

export function acts({ context, opened, until }) {
  const seen = []; // answers that Chromium got from anybody, with what it had asked
  const watched = new Map(); // a window's page → its requests as they went over the network, by Chromium's own number

  async function note(request, status) {
    const nothing = new Promise((resolve) => setTimeout(() => resolve({}), headersPatience)); // some are never told
    const headers = await Promise.race([request.allHeaders().catch(() => ({})), nothing]);
    const { origin, pathname, search } = new URL(request.url());
    seen.push({ origin, target: pathname + search, method: request.method(), status, site: headers["sec-fetch-site"] ?? "", cookie: headers.cookie ?? "" });
  }
  context.on("response", (answer) => note(answer.request(), answer.status()));
  context.on("requestfailed", (request) => note(request, 0));

  // What a page's own requests are like is told by the network service alone: to the page they just failed.
  async function watch(page) {
    if (watched.has(page)) return;
    const requests = new Map();
    watched.set(page, requests);
    const session = await context.newCDPSession(page);
    const hops = (id) => requests.get(id) ?? requests.set(id, { asked: [], sent: [], answered: [] }).get(id);
    session.on("Network.requestWillBeSent", ({ requestId, request }) => hops(requestId).asked.push(request));
    session.on("Network.requestWillBeSentExtraInfo", ({ requestId, headers }) => hops(requestId).sent.push(headers));
    session.on("Network.responseReceivedExtraInfo", ({ requestId, statusCode }) => hops(requestId).answered.push(statusCode));
    await session.send("Network.enable");
  }

  // A request that was redirected has several hops, in the same order in each list.
  function* on_the_network() {
    for (const requests of watched.values()) {
      for (const { asked, sent, answered } of requests.values()) {
        for (const [at, status] of answered.entries()) {
          if (!asked[at] || !sent[at]) continue;
          const { origin, pathname, search } = new URL(asked[at].url);
          const headers = Object.fromEntries(Object.entries(sent[at]).map(([name, value]) => [name.toLowerCase(), value]));
          yield { origin, target: pathname + search, method: asked[at].method, status, site: headers["sec-fetch-site"] ?? "", cookie: headers.cookie ?? "" };
        }
      }
    }
  }

  async function close_others() {
    const kept = new Set(opened.values());
    const console_ = context.pages()[0];
    for (const page of context.pages()) if (page !== console_ && !kept.has(page)) await page.close();
  }

  return {
    // Which attacks the page that is open knows.
    async attacks({ alias }) {
      return opened.get(alias).evaluate(() => ({ sent: globalThis.hostile.names, forbidden: globalThis.hostile.forbidden }));
    },

    // The page of `alias` attacks `target`: what it could read, by the name of the attack. Windows that it opened are closed.
    async attack({ alias, names, target }) {
      const page = opened.get(alias);
      await watch(page);
      const found = {};
      for (const name of names) {
        found[name] = await page.evaluate(([name_, target_]) => globalThis.hostile.attack(name_, target_), [name, target]);
        await close_others();
      }
      return found;
    },

    // What Chromium asked of `origin` and how it was answered; status 0 is none.
    async seen({ origin }) {
      return [...seen, ...on_the_network()].filter((one) => one.origin === origin);
    },

    // Submits a form of the page's own, top-level, into a new window; returns once that was answered.
    async submit({ alias, to, fields }) {
      const popup = context.waitForEvent("page");
      const answer = context.waitForEvent("response", (one) => one.url() === to);
      await opened.get(alias).evaluate(([to_, fields_]) => {
        const form = Object.assign(document.createElement("form"), { action: to_, method: "post", target: "_blank" });
        for (const [name, value] of Object.entries(fields_)) form.append(Object.assign(document.createElement("input"), { name, value }));
        document.body.append(form);
        form.submit();
      }, [to, fields]);
      await answer;
      await (await popup).close();
      return {};
    },

    async fetch_own({ alias, path }) {
      return opened.get(alias).evaluate(async (path_) => (await fetch(path_)).status, path);
    },

    async plant({ alias, cookies }) {
      const page = opened.get(alias);
      const refused = [];
      for (const cookie of cookies) {
        const act = typeof cookie === "string" ? "plant" : "plant_by_store";
        await page.evaluate(([act_, cookie_]) => globalThis.hostile[act_](cookie_), [act, cookie]).catch((error) => refused.push(error.message.split("\n")[0]));
      }
      return refused;
    },

    // Cookies as a server of the attacker's own sets them, in place of an honest agent.
    async set_cookies({ cookies }) {
      const refused = [];
      for (const cookie of cookies) await context.addCookies([cookie]).catch((error) => refused.push(error.message.split("\n")[0]));
      return refused;
    },

    async jar({ url }) {
      return context.cookies(url);
    },

    // Loads `path` of the same origin in the window, as a click on one of its own links does.
    async go({ alias, path }) {
      const page = opened.get(alias);
      const answer = page.waitForResponse((one) => one.url() === new URL(path, page.url()).href);
      await page.evaluate((to) => location.assign(to), path);
      const { status, url } = await answer.then((one) => ({ status: one.status(), url: one.url() }));
      await until(() => page.url() === url, `the window at ${url}`);
      await page.waitForLoadState();
      return { status, text: await page.locator("body").innerText() };
    },

    async forget_cookies({ domain }) {
      await context.clearCookies({ domain });
      return {};
    },
  };
}
