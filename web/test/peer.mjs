// A test peer that speaks docs/api/openapi.yaml to the front end, over TLS, on loopback: the console and, under the
// devices' zone, a device. What it receives and what it answers is checked against the description; a breach is kept in
// `breaches` and fails the run. It behaves like the console where the front end depends on it: cookie, CSRF token,
// Origin, Content-Security-Policy.
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:https";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { checkAnswer, checkRequest, checkSchema, findOperation } from "./contract.mjs";
import { makeLog } from "./log.mjs";
import { makeRpc, rpcOperations } from "./rpc.mjs";
import { base32Name, iso, makeAudit, makeCertificates, makeDevices, makeExpiry, makePki, makeSession, makeSites, makeStatus, makeTelemetry } from "./fleet.mjs";

const dist = fileURLToPath(new URL("../dist", import.meta.url));
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };
export const consoleName = "console.localhost";
export const zone = "devices.localhost";

export class Refusal extends Error {
  constructor(status, kind, title, detail = "", headers = {}) {
    super(title);
    Object.assign(this, { status, kind, detail, headers });
  }
}

export class Peer {
  constructor({ key, cert }) {
    this.server = createServer({ key, cert }, (request, response) => void this.#serve(request, response));
    this.breaches = [];
    this.reset();
  }
  async listen() {
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.port = this.server.address().port;
    this.origin = `https://${consoleName}:${this.port}`;
  }
  async close() {
    this.dropStreams();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  // Brings the world back to its first state.
  reset() {
    this.dropStreams?.();
    const now = Date.now();
    this.devices = makeDevices(now);
    this.sessions = [makeSession(this.devices[0], 0, now), makeSession(this.devices[0], 1, now), makeSession(this.devices[4], 2, now),
      makeSession(this.devices[0], 9, now, { ended: iso(now - 3_600_000), end_reason: "closed by the user" })];
    this.devices[0].live_sessions = 2;
    this.audit = makeAudit(230, this.devices, now);
    this.auditBrokenAt = null;
    this.sites = makeSites(now);
    this.pki = makePki(now);
    this.expiry = makeExpiry(now);
    this.status = makeStatus(now);
    this.log = makeLog(this.devices.filter((one) => one.name).flatMap((one) => makeCertificates(one, now)), now);
    this.rpc = makeRpc(this.devices, now);
    this.users = [["jonas", "operator"], ["mara", "owner"], ["vera", "viewer"]].map(([login, role]) => ({ login, role, tenant: "", enabled: true, created: iso(now - 1e10) }));
    this.passwords = new Map(this.users.map(({ login }) => [login, `password of ${login}`]));
    this.logins = new Map(); // cookie → { login, csrf, steppedUp }
    this.streams = new Set();
    this.requests = [];
    this.entries = []; // what devices received at /.sallyport/enter
    this.overrides = new Map(); // "METHOD /path" → () => answer, or throws Refusal
    this.claimCodes = new Map([[this.devices[8].serial_id, "K7QM2PXR9TAB4WNC"]]);
  }

  dropStreams() {
    for (const stream of this.streams ?? []) stream.destroy();
    this.streams?.clear();
  }
  send(event, data) {
    const schema = { device: "Device", session: "AccessSession", audit: "AuditEntry", alarm: "Alarm" }[event];
    const wrong = schema && checkSchema(schema, data);
    if (wrong) this.breaches.push(`event ${event}: ${wrong}`);
    for (const stream of this.streams) stream.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }
  change(device, changes) {
    Object.assign(device, changes);
    this.send("device", device);
    return device;
  }

  // What the console has to send with its pages.
  #pageHeaders() {
    const csp = ["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
      `form-action 'self' https://*.${zone}:*`, "base-uri 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
      "trusted-types 'none'"].join("; ");
    return { "Content-Security-Policy": csp, "Referrer-Policy": "strict-origin", "Cross-Origin-Opener-Policy": "same-origin", "X-Content-Type-Options": "nosniff" };
  }

  async #serve(request, response) {
    const url = new URL(request.url, `https://${request.headers.host}`);
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString("utf8");
    this.requests.push({ method: request.method, host: url.hostname, path: url.pathname, body });
    if (url.hostname !== consoleName) return this.#serveDevice(request, response, url, body);
    if (url.pathname.startsWith("/api/v1/")) return this.#serveApi(request, response, url, body);
    return this.#serveFile(response, url.pathname);
  }

  #serveDevice(request, response, url, body) {
    const entered = request.method === "POST" && url.pathname === "/.sallyport/enter";
    if (entered) this.entries.push({ host: url.hostname, origin: request.headers.origin, type: request.headers["content-type"], body });
    response.writeHead(entered ? 200 : 404, { "Content-Type": "text/html; charset=utf-8" });
    response.end(entered ? "<!doctype html><title>The device</title><h1>The device’s own page</h1>" : "nothing");
  }

  #serveFile(response, path) {
    const known = path !== "/" && existsSync(join(dist, path));
    const file = join(dist, known ? path : "index.html");
    const bytes = gzipSync(readFileSync(file), { level: 9 });
    response.writeHead(200, { "Content-Type": types[extname(file)], "Content-Encoding": "gzip", "Content-Length": bytes.length, ...this.#pageHeaders() });
    response.end(bytes);
  }

  #serveApi(request, response, url, text) {
    const path = url.pathname.slice("/api/v1".length);
    const found = findOperation(request.method, path);
    const requestId = randomBytes(5).toString("hex");
    const answer = (status, body, headers = {}) => {
      const wrong = found ? checkAnswer(found, status, body) : null;
      if (wrong) this.breaches.push(`${request.method} ${path} answered ${status}: ${wrong}`);
      const type = status >= 400 ? "application/problem+json" : "application/json";
      response.writeHead(status, { "Cache-Control": "no-store", "X-Request-Id": requestId, ...(body === undefined ? {} : { "Content-Type": type }), ...headers });
      response.end(body === undefined ? undefined : JSON.stringify(body));
    };
    try {
      if (!found) throw new Refusal(404, "not-found", "No such thing");
      const call = this.#admit(request, found, path, text, url);
      if (found.operation.operationId === "events") return this.#stream(request, response);
      if (found.operation.operationId === "getCrl") return this.#sendCrl(response, found.parameters.ca);
      const override = this.overrides.get(`${request.method} ${path}`);
      const [status, body, headers] = override ? override(call) : operations[found.operation.operationId].call(this, call);
      answer(status, body, headers);
    } catch (error) {
      if (!(error instanceof Refusal)) this.breaches.push(`${request.method} ${path}: ${error.stack}`);
      const problem = { type: `urn:sallyport:problem:${error.kind ?? "internal"}`, title: error.message, status: error.status ?? 500, request_id: requestId };
      answer(problem.status, error.detail ? { ...problem, detail: error.detail } : problem, error.headers);
    }
  }

  #admit(request, found, path, text, url) {
    const cookie = /__Host-session=([^;]+)/.exec(request.headers.cookie ?? "")?.[1];
    const login = this.logins.get(cookie);
    const open = found.operation.security?.length === 0;
    if (!open && !login) throw new Refusal(401, "unauthenticated", "Log in first");
    let body;
    if (request.method === "POST") {
      if (request.headers["content-type"] !== "application/json") throw new Refusal(415, "unsupported-media-type", "Want JSON");
      if (request.headers.origin !== this.origin) throw new Refusal(403, "origin-mismatch", "Another origin");
      if (!open && request.headers["x-csrf-token"] !== login.csrf) throw new Refusal(403, "csrf-mismatch", "Wrong CSRF token");
      body = text ? JSON.parse(text) : undefined;
      const wrong = checkRequest(found, body);
      if (wrong) throw new Refusal(400, "invalid-request", "The request is not as described", wrong);
    }
    const user = login && this.users.find((one) => one.login === login.login);
    const order = ["viewer", "operator", "owner"];
    if (user && order.indexOf(user.role) < order.indexOf(found.operation["x-role"] ?? "viewer")) throw new Refusal(403, "forbidden", "Your role may not do this");
    const stale = user && found.operation["x-dangerous"] && !login.steppedUp;
    return { body, query: url.searchParams, parameters: found.parameters, login, user, cookie, stale };
  }

  #sendCrl(response, ca) {
    response.writeHead(200, { "Content-Type": "application/pkix-crl", "Content-Disposition": `attachment; filename="${ca}.crl"` });
    response.end(Buffer.from("3000", "hex"));
  }

  #stream(request, response) {
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    response.write("event: ready\ndata: {}\n\n");
    this.streams.add(response);
    request.on("close", () => this.streams.delete(response));
  }

  device(name) {
    const device = this.devices.find((one) => one.name === name);
    if (!device) throw new Refusal(404, "not-found", "No such device", `There is no device ${name}.`);
    return device;
  }
  // What happens to a site, or would.
  changeSite(call, to) {
    const { body, parameters } = call;
    const site = this.sites.find((one) => one.name === parameters.name);
    if (!site) throw new Refusal(404, "not-found", "No such site");
    if (!body.dry_run) {
      needStepUp(call);
      if (body.confirm !== site.name) throw new Refusal(422, "confirmation-mismatch", "That is not the site’s name");
    }
    const kept = to === "revoked-except" ? Math.min(body.except_until, site.enrolled) : to === "revoked" ? 0 : site.enrolled;
    const cut = site.enrolled - kept;
    const shelf = site.issued - site.enrolled;
    const plan = {
      site: site.name, from: site.state, to, kept_until: body.except_until ?? null, dry_run: body.dry_run ?? false, ca_on_root_crl: false,
      devices: { kept, may_enrol: to === "active" ? shelf : 0, barred: to === "active" ? 0 : shelf, cut, cut_online: Math.floor(cut / 2) },
      certificates: { factory: to.startsWith("revoked") ? cut : 0, device: cut * 2 }, live_sessions: cut > 0 ? 2 : 0, sessions: [],
    };
    if (!body.dry_run) Object.assign(site, { state: to, kept_until: body.except_until ?? null });
    return [200, plan];
  }
  session(login, csrf) {
    const user = this.users.find((one) => one.login === login);
    return {
      login, role: user.role, tenant: user.tenant, csrf, expires: iso(Date.now() + 8 * 3_600_000),
      console: { installation: "Lakeside Machines", zone, public_port: this.port, version: "0.1.0", now: iso(Date.now()) },
    };
  }
}

export function needStepUp(call) {
  if (call.stale) throw new Refusal(403, "step-up-required", "Show your password again");
}

const operations = {
  ...rpcOperations,
  login({ body }) {
    if (this.passwords.get(body.login) !== body.password) throw new Refusal(401, "login-refused", "Login or password is wrong");
    const cookie = randomBytes(32).toString("hex");
    const csrf = randomBytes(32).toString("hex");
    this.logins.set(cookie, { login: body.login, csrf, steppedUp: true });
    return [200, this.session(body.login, csrf), { "Set-Cookie": `__Host-session=${cookie}; Path=/; Secure; HttpOnly; SameSite=Strict` }];
  },
  logout({ cookie }) {
    this.logins.delete(cookie);
    return [204];
  },
  getSession({ login }) {
    return [200, this.session(login.login, login.csrf)];
  },
  stepUp({ body, login }) {
    if (this.passwords.get(login.login) !== body.password) throw new Refusal(401, "login-refused", "The password is wrong");
    login.steppedUp = true;
    return [204];
  },
  changePassword({ body, login }) {
    if (this.passwords.get(login.login) !== body.current) throw new Refusal(422, "password-refused", "The present password is wrong");
    this.passwords.set(login.login, body.new);
    return [204];
  },
  listDevices({ query }) {
    const limit = Number(query.get("limit") ?? 1000);
    const from = Number(query.get("after") ?? 0);
    const devices = this.devices.slice(from, from + limit);
    return [200, { devices, next: from + limit < this.devices.length ? String(from + limit) : null }];
  },
  getDevice({ parameters }) {
    return [200, this.device(parameters.name)];
  },
  listCertificates({ parameters }) {
    return [200, { certificates: makeCertificates(this.device(parameters.name), Date.now()) }];
  },
  listDeviceSessions({ parameters }) {
    return [200, { sessions: this.sessions.filter((one) => one.device === parameters.name) }];
  },
  getTelemetry({ parameters, query }) {
    const has = this.device(parameters.name).serial_id === this.devices[0].serial_id;
    const streams = has ? [{ name: "process", items: 51_840, newest: iso(Date.now() - 4000), gaps: 0 }, { name: "events", items: 12, newest: iso(Date.now() - 8e6), gaps: 3 }] : [];
    const stream = query.get("stream");
    const items = stream === "process" ? makeTelemetry(Date.now(), Date.parse(query.get("from"))).slice(-Number(query.get("limit") ?? 1000)) : [];
    return [200, { streams, stream, items }];
  },
  setRemoteAccess({ parameters, body }) {
    return [200, this.change(this.device(parameters.name), { remote_access: body.enabled })];
  },
  setAlias({ parameters, body }) {
    return [200, this.change(this.device(parameters.name), { alias: body.alias })];
  },
  suspendDevice({ parameters }) {
    return [200, this.change(this.device(parameters.name), { state: "suspended", online: false, rtt_ms: null })];
  },
  resumeDevice({ parameters }) {
    return [200, this.change(this.device(parameters.name), { state: "claimed" })];
  },
  previewRevocation({ parameters }) {
    const device = this.device(parameters.name);
    return [200, { serial_id: device.serial_id, live_sessions: device.live_sessions, certificates: 3, online: device.online, can_return: true }];
  },
  revokeDevice(call) {
    needStepUp(call);
    const device = this.device(call.parameters.name);
    if (call.body.confirm !== device.serial_id) throw new Refusal(422, "confirmation-mismatch", "That is not the serial id");
    return [200, this.change(device, { state: "revoked", online: false, rtt_ms: null, live_sessions: 0, certificate_expires: null })];
  },
  createGrant({ parameters, body }) {
    const device = this.device(parameters.name);
    if (!device.online) throw new Refusal(409, "device-offline", "The device is offline");
    if (!device.remote_access) throw new Refusal(409, "remote-access-off", "Remote access is off");
    if (device.device_switch === false) throw new Refusal(409, "device-switch-off", "The device’s own switch is off");
    const service = device.services.find((one) => one.name === body.service);
    if (!service) throw new Refusal(404, "service-unknown", "No such service");
    if (service.kind !== "http") throw new Refusal(409, "service-not-http", "A browser cannot open this service");
    const label = base32Name(randomBytes(8).toString("hex"), 16);
    return [201, {
      grant_id: randomBytes(16).toString("hex"), label, host: `${label}.${device.name}.${zone}`, url: `https://${label}.${device.name}.${zone}:${this.port}/.sallyport/enter`,
      secret: randomBytes(32).toString("base64url"), expires: iso(Date.now() + 300_000), ...(body.direct ? { grant: randomBytes(900).toString("base64url") } : {}),
    }];
  },
  claimDevice({ body }) {
    const device = this.devices.find((one) => one.serial_id === body.serial_id && one.state === "connected");
    if (!device || this.claimCodes.get(body.serial_id) !== body.code.replace(/[ -]/g, "").toUpperCase()) {
      throw new Refusal(422, "claim-refused", "Serial id and code do not belong together", "Look at the device again: a code works once.");
    }
    this.claimCodes.delete(body.serial_id);
    return [201, this.change(device, { state: "claimed", alias: body.alias ?? "", claimed_at: iso(Date.now()) })];
  },
  listSessions() {
    return [200, { sessions: this.sessions.filter((one) => one.ended === null) }];
  },
  renewSession() {
    return [200, { grant: randomBytes(900).toString("base64url"), expires: iso(Date.now() + 300_000) }];
  },
  endSession({ parameters }) {
    const session = this.sessions.find((one) => one.id === parameters.id);
    if (!session) throw new Refusal(404, "not-found", "No such session");
    Object.assign(session, { ended: iso(Date.now()), end_reason: "ended in the console" });
    this.send("session", session);
    return [204];
  },
  listAudit({ query }) {
    const after = Number(query.get("after") ?? 0);
    const entries = this.audit
      .filter((one) => one.sequence > after && one.action.startsWith(query.get("action") ?? "") && (!query.get("subject") || one.subject === query.get("subject")))
      .slice(0, Number(query.get("limit") ?? 100));
    const last = this.audit.at(-1);
    return [200, { entries, head: last ? { sequence: last.sequence, hash: last.hash } : null, verified: this.auditBrokenAt === null, broken_at: this.auditBrokenAt }];
  },
  listSites() {
    return [200, { sites: this.sites }];
  },
  getPki() {
    return [200, this.pki];
  },
  getLog() {
    return [200, this.log.head];
  },
  listLogEntries({ query }) {
    const from = Number(query.get("from") ?? 0);
    return [200, { entries: this.log.entries.slice(from, from + Number(query.get("limit") ?? 100)), size: this.log.entries.length }];
  },
  getLogProof({ parameters }) {
    const entry = this.log.entries.find((one) => one.sha256 === parameters.sha256);
    if (!entry) throw new Refusal(404, "not-found", "There is no such thing", "No certificate with this hash is logged.");
    return [200, { index: entry.index, size: this.log.head.size, proof: this.log.proofOf(entry.index), key_certificate: "AA==" }];
  },
  getStatus() {
    return [200, this.status];
  },
  getExpiry() {
    return [200, this.expiry];
  },
  findCertificates({ query }) {
    const text = query.get("query").toLowerCase();
    const hex = text.replace(/[: -]/g, "");
    const found = this.devices.filter((one) => one.state !== "manufactured").flatMap((one) => makeCertificates(one, Date.now())
      .filter((it) => [it.serial, it.spki_sha256, it.sha256].includes(hex) || it.subject === text || one.serial_id === text)
      .map((it) => ({ ...it, device: one.name })));
    return [200, { found: found.length, certificates: found.slice(0, 100) }];
  },
  disableSite(call) {
    return this.changeSite(call, "disabled");
  },
  enableSite(call) {
    return this.changeSite(call, "active");
  },
  revokeSite(call) {
    return this.changeSite(call, call.body.except_until ? "revoked-except" : "revoked");
  },
  listUsers() {
    return [200, { users: this.users }];
  },
  createUser(call) {
    needStepUp(call);
    if (this.users.some((one) => one.login === call.body.login)) throw new Refusal(409, "login-taken", "This login exists");
    const user = { login: call.body.login, role: call.body.role, tenant: call.user.tenant, enabled: true, created: iso(Date.now()) };
    this.users.push(user);
    return [201, user];
  },
};
