// What a page can try against another origin. Each attack gets an address of its own below the victim's origin and returns
// what it could read. The same file, served by the victim's own application, is the control: there every attack gets through.
"use strict";

const patience = 5000;

async function until(condition) {
  const end = Date.now() + patience;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > end) return "nothing in time";
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const limited = (promise) => Promise.race([promise, new Promise((resolve) => setTimeout(() => resolve("nothing in time"), patience))]);
const event = (target, ...names) =>
  limited(new Promise((resolve) => names.forEach((name) => target.addEventListener(name, (one) => resolve(one.data ?? name), { once: true }))));
const read = async (answer) => (await (await answer).text()) || `${(await answer).type} and empty`;

function add(tag, attributes, parent = document.body) {
  const element = document.createElement(tag);
  Object.assign(element, attributes);
  const done = event(element, "load", "error", "loadeddata");
  parent.append(element);
  return { element, done };
}

async function include(tag, attributes) {
  const { done } = add(tag, attributes, tag === "link" ? document.head : document.body);
  return `${await done} ${globalThis.loot ?? ""}`;
}

// What can be seen of a window or frame that has gone elsewhere.
async function look_into(other) {
  const gone = () => {
    try {
      return other.document.readyState === "complete" && other.location.href !== "about:blank";
    } catch {
      return true; // another origin's
    }
  };
  await until(gone);
  const found = [];
  for (const look of [() => other.document.documentElement.outerHTML, () => other.location.href, () => other.document.cookie, () => other.localStorage.length]) {
    try {
      found.push(look());
    } catch (error) {
      found.push(`refused: ${error.name}`);
    }
  }
  return found.join(" | ");
}

async function in_window(open) {
  const other = open();
  if (!other) return "no window";
  const found = await look_into(other);
  return found;
}

async function in_frame(attributes) {
  const { element, done } = add("iframe", attributes);
  await done;
  return look_into(element.contentWindow);
}

function submit(at, method, target, owner = document) {
  const form = owner.createElement("form");
  Object.assign(form, { action: at, method, target });
  const field = owner.createElement("input");
  Object.assign(field, { name: "target", value: "hostile" });
  form.append(field);
  owner.body.append(form);
  form.submit();
}

function submit_in_window(at, method) {
  return in_window(() => {
    const other = window.open("", `w${Math.random()}`);
    submit(at, method, other.name = `w${Math.random()}`);
    return other;
  });
}

async function through_worker(at, mode) {
  await navigator.serviceWorker.register("/worker.js");
  const worker = (await navigator.serviceWorker.ready).active;
  const { port1, port2 } = new MessageChannel();
  const answer = limited(new Promise((resolve) => (port1.onmessage = (message) => resolve(message.data))));
  worker.postMessage({ at, mode }, [port2]);
  return answer;
}

const bounce = (at, status) => `/bounce?status=${status}&to=${encodeURIComponent(at)}`;
const form_page = (at) => `<form id=f method=post target=_top action="${at}"><input name=target value=hostile></form><script>f.submit()</script>`;

const attacks = {
  fetch_get: (at) => read(fetch(at, { credentials: "include" })),
  fetch_get_blind: (at) => read(fetch(at, { credentials: "include", mode: "no-cors" })),
  fetch_post: (at) => read(fetch(at, { method: "POST", credentials: "include", body: "hostile" })),
  fetch_post_blind: (at) => read(fetch(at, { method: "POST", credentials: "include", mode: "no-cors", body: "hostile" })),
  fetch_put_preflighted: (at) => read(fetch(at, { method: "PUT", credentials: "include", headers: { "X-Hostile": "1" }, body: "hostile" })),
  fetch_keepalive: (at) => read(fetch(at, { method: "POST", credentials: "include", mode: "no-cors", keepalive: true, body: "hostile" })),
  fetch_without_referrer: (at) => read(fetch(at, { credentials: "include", referrerPolicy: "no-referrer" })),
  fetch_redirected: (at) => read(fetch(bounce(at, 302), { credentials: "include" })),
  fetch_post_redirected: (at) => read(fetch(bounce(at, 307), { method: "POST", credentials: "include", mode: "no-cors", body: "hostile" })),
  beacon: (at) => `sent ${navigator.sendBeacon(at, "hostile")}`,
  xml_http_request(at) {
    const request = new XMLHttpRequest();
    request.open("GET", at);
    request.withCredentials = true;
    const done = event(request, "load", "error");
    request.send();
    return done.then((what) => `${what} ${request.responseText}`);
  },
  image: (at) => include("img", { src: `${at}.gif` }),
  image_anonymous: (at) => include("img", { src: `${at}.gif`, crossOrigin: "use-credentials" }),
  script: (at) => include("script", { src: `${at}.js` }),
  script_module: (at) => import(`${at}.js`).then(() => globalThis.loot),
  style: (at) => include("link", { rel: "stylesheet", href: `${at}.css` }),
  prefetch: (at) => include("link", { rel: "prefetch", href: at }),
  preload: (at) => include("link", { rel: "preload", as: "fetch", crossOrigin: "use-credentials", href: at }),
  video: (at) => include("video", { src: at }),
  embed: (at) => include("embed", { src: at, type: "text/html" }),
  object: (at) => include("object", { data: at, type: "text/html" }),
  frame: (at) => in_frame({ src: at }),
  frame_of_the_page: (at) => in_frame({ src: `${new URL(at).origin}/?${at.split("/").pop()}` }),
  frame_form_post(at) {
    const { element } = add("iframe", { name: `f${Math.random()}` });
    submit(at, "post", element.name);
    return look_into(element.contentWindow);
  },
  frame_without_origin: (at) => in_frame({ sandbox: "allow-scripts allow-forms allow-top-navigation allow-popups", src: `/bounce?status=302&to=${encodeURIComponent(at)}` }),
  frame_form_without_origin: (at) => in_frame({ sandbox: "allow-scripts allow-forms", srcdoc: form_page(at).replace("_top", "_self") }),
  window_get: (at) => in_window(() => window.open(at)),
  window_without_referrer(at) {
    window.open(at, "_blank", "noopener,noreferrer");
    return "no handle";
  },
  window_get_then_moved(at) {
    const other = window.open("/quiet");
    return look_into(other).then(() => {
      other.location = at;
      return until(() => { try { return other.location.href.endsWith(at); } catch { return "away"; } });
    }).then(() => look_into(other));
  },
  window_of_the_page: (at) => in_window(() => window.open(`${new URL(at).origin}/?${at.split("/").pop()}`)),
  window_redirected: (at) => in_window(() => window.open(bounce(at, 302))),
  form_get: (at) => submit_in_window(at, "get"),
  form_post: (at) => submit_in_window(at, "post"),
  form_post_redirected: (at) => submit_in_window(bounce(at, 307), "post"),
  link(at) {
    const link = document.createElement("a");
    Object.assign(link, { href: at, target: "_blank", rel: "noreferrer" });
    document.body.append(link);
    link.click();
    return "no handle";
  },
  web_socket(at) {
    const socket = new WebSocket(at.replace("https:", "wss:"));
    return event(socket, "message", "error", "close");
  },
  event_source(at) {
    const source = new EventSource(`${at}.events`, { withCredentials: true });
    return event(source, "message", "error").finally(() => source.close());
  },
  service_worker_fetch: (at) => through_worker(at, "cors"),
  service_worker_fetch_blind: (at) => through_worker(at, "no-cors"),
  relaxed_domain(at) {
    document.domain = new URL(at).hostname.split(".").slice(2).join(".");
    return in_window(() => window.open(at));
  },
};

// What the browser itself does not let a page begin; nothing is sent for these.
const forbidden = {
  service_worker_of_the_victim: (at) => navigator.serviceWorker.register(`${new URL(at).origin}/worker.js`, { scope: `${new URL(at).origin}/` }),
  service_worker_over_the_victim: (at) => navigator.serviceWorker.register("/worker.js", { scope: `${new URL(at).origin}/` }),
  worker_of_the_victim: (at) => new Worker(`${at}.js`),
};

globalThis.hostile = {
  names: Object.keys(attacks),
  forbidden: Object.keys(forbidden),
  async attack(name, origin) {
    delete globalThis.loot;
    try {
      return String(await limited(Promise.resolve((attacks[name] ?? forbidden[name])(`${origin}/loot/${name}`))));
    } catch (error) {
      return `refused: ${error}`;
    }
  },
  async plant(cookie) {
    document.cookie = cookie;
  },
  async plant_by_store(cookie) {
    await cookieStore.set(cookie);
  },
};
