// The installation that the test peer pretends to be: made from fixed numbers, so that screenshots compare.
import { createHash } from "node:crypto";

const day = 86_400_000;
const base32 = "abcdefghijklmnopqrstuvwxyz234567";
export const iso = (ms) => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
export const hash = (text) => createHash("sha256").update(text).digest("hex");
export const base32Name = (seed, length) =>
  [...createHash("sha256").update(seed).digest()].slice(0, length).map((byte) => base32[byte % 32]).join("");

const aliases = ["Press line 4", "Palletiser north", "Boiler house", "Chiller 2", "Paint shop gate", "Mixer B", "Weighbridge", "Compressor 1"];
const services = [
  { name: "web", kind: "http" },
  { name: "ssh", kind: "tcp" },
  { name: "modbus", kind: "tcp" },
];

export function makeDevice(number, now, changes = {}) {
  const serial = `sp-${String(10_000 + number)}`;
  const online = number % 4 !== 3;
  return {
    name: base32Name(serial, 10),
    serial_id: serial,
    site: number % 3 === 2 ? "graz" : "lindau",
    alias: aliases[number] ?? "",
    state: "claimed",
    online,
    last_seen: iso(online ? now : now - (number + 1) * 7 * 3_600_000),
    remote_access: number % 5 !== 4,
    device_switch: true,
    services: number % 2 ? services.slice(0, 2) : services,
    rtt_ms: online ? 8 + ((number * 37) % 140) : null,
    certificate_expires: iso(now + (80 - (number % 7) * 2) * day),
    alarms: [],
    freeze_on_alarm: false,
    enrolment_failures: null,
    agent_version: number % 6 === 5 ? "0.9.4" : "0.1.0",
    source: `198.51.100.${number % 250}`,
    live_sessions: 0,
    created: iso(now - 40 * day),
    connected_at: iso(now - 39 * day),
    claimed_at: iso(now - 38 * day),
    ...changes,
  };
}

export function makeDevices(now) {
  const devices = Array.from({ length: 24 }, (_, number) => makeDevice(number, now));
  Object.assign(devices[1], { certificate_expires: iso(now + 5 * day) });
  Object.assign(devices[2], { certificate_expires: iso(now + 20 * day), device_switch: false });
  Object.assign(devices[5], {
    alarms: [{ kind: "device.cloned", time: iso(now - 3_600_000), detail: "Two machines took turns with one identity 4 times in 60 s." }],
  });
  Object.assign(devices[8], { state: "connected", claimed_at: null, remote_access: false, device_switch: null });
  Object.assign(devices[9], { state: "suspended", online: false, rtt_ms: null });
  Object.assign(devices[10], { state: "revoked", online: false, rtt_ms: null, certificate_expires: null, remote_access: false });
  Object.assign(devices[11], {
    name: null, state: "manufactured", online: false, last_seen: null, rtt_ms: null, certificate_expires: null, services: [],
    remote_access: false, device_switch: null, agent_version: "", source: "", connected_at: null, claimed_at: null,
  });
  return devices;
}

export function makeCertificates(device, now) {
  const one = (kind, ca, from, to, state = "issued") => ({
    ca, serial: hash(`serial ${device.serial_id} ${kind} ${from}`).slice(0, 32), kind, state,
    subject: kind === "factory" ? `${device.serial_id}.${device.site}` : (device.name ?? ""),
    key_algorithm: "P-256", spki_sha256: hash(`key ${device.serial_id} ${kind} ${from}`), sha256: hash(`der ${device.serial_id} ${kind} ${from}`),
    not_before: iso(now + from * day), not_after: iso(now + to * day),
    revoked_at: state === "revoked" ? iso(now + (from + 1) * day) : null, reason: state === "revoked" ? "superseded" : null,
    pem: `-----BEGIN CERTIFICATE-----\n${Buffer.from(hash(`der ${kind}`)).toString("base64")}\n-----END CERTIFICATE-----\n`,
  });
  return [
    one("operational", "online-ca", -10, 80),
    one("web", "web-ca", -10, 80),
    one("operational", "online-ca", -39, 51, "revoked"),
    one("factory", `local-ca/${device.site}`, -40, 3600),
  ];
}

export function makeSession(device, number, now, changes = {}) {
  return {
    id: hash(`session ${device.serial_id} ${number}`).slice(0, 32), login: number % 2 ? "mara" : "jonas", device: device.name,
    device_alias: device.alias, serial_id: device.serial_id, service: "web", source: "203.0.113.7", opened: iso(now - (number + 1) * 420_000),
    ended: null, end_reason: "", bytes_to_device: 18_420 * (number + 1), bytes_to_user: 2_350_112 * (number + 1), connections: 6, ...changes,
  };
}

export function makeTelemetry(now, fromMs) {
  const items = [];
  const step = 10_000;
  const start = Math.max(fromMs, now - 6 * 3_600_000);
  for (let time = Math.ceil(start / step) * step, n = 0; time <= now; time += step, ++n) {
    const angle = time / 900_000;
    items.push({
      sequence: time / step, time: new Date(time).toISOString(),
      value: { temperature_c: Number((61 + 4 * Math.sin(angle) + Math.sin(angle * 7)).toFixed(2)), motor: { rpm: Math.round(1450 + 30 * Math.cos(angle * 3)) } },
    });
  }
  return items;
}

const acts = [
  ["device.claimed", "mara", { alias: "Press line 4" }],
  ["device.remote_access", "mara", { enabled: true }],
  ["session.opened", "jonas", { service: "web", source: "203.0.113.7" }],
  ["session.ended", "role:relay", { reason: "closed by the user", bytes_to_user: 2350112 }],
  ["certificate.issued", "role:gateway", { ca: "online-ca", kind: "operational" }],
  ["login.succeeded", "mara", { source: "203.0.113.7" }],
];

export function makeAudit(length, devices, now) {
  const entries = [];
  let previous = "0".repeat(64);
  for (let sequence = 1; sequence <= length; ++sequence) {
    const [action, actor, detail] = acts[sequence % acts.length];
    const entry = {
      sequence, time: iso(now - (length - sequence) * 97_000), actor, action, subject: devices[sequence % devices.length].serial_id, detail, previous,
    };
    entry.hash = previous = hash(JSON.stringify(entry));
    entries.push(entry);
  }
  return entries;
}

export function makeSites(now) {
  const site = (name, changes) => ({
    name, state: "active", kept_until: null, replace: "required", permitted: 5000, issued: 1812, enrolled: 1644, activation_quota: 5000, ledger_head: hash(name),
    permit_not_after: iso(now + 500 * day), ca_not_after: iso(now + 1600 * day), alarms: [], created: iso(now - 300 * day), ...changes,
  });
  return [
    site("graz", { permitted: 200, issued: 196, enrolled: 120, activation_quota: 200, permit_not_after: iso(now + 25 * day) }),
    site("lindau", {}),
    site("tallinn", {
      state: "disabled", issued: 41, enrolled: 40,
      alarms: [{ kind: "ledger.fork", time: iso(now - 2 * day), detail: "Entry 37 came twice with different hashes; the second was refused." }],
    }),
  ];
}

export function makePki(now) {
  const ca = (name, parent, from, to, issued, revoked = 0, alive = issued) => ({
    name, parent, subject: `CN=Sallyport ${name} Lakeside Machines`, serial: hash(`ca ${name}`).slice(0, 32), key_algorithm: parent ? "P-256" : "P-384",
    sha256: hash(`ca der ${name}`), not_before: iso(now + from * day), not_after: iso(now + to * day), state: "valid", issued, alive, revoked,
    key_place: parent === null ? "offline" : name.startsWith("local-ca/") ? "factory" : "signer",
  });
  return {
    authorities: [
      ca("root", null, -300, 6900, 9), ca("online-ca", "root", -300, 1500, 3480, 22, 1640), ca("local-ca/graz", "root", -250, 1600, 196),
      ca("local-ca/lindau", "root", -300, 1500, 1812), ca("server-ca", "root", -300, 90, 14, 1), ca("web-ca", "root", -300, 1500, 3411, 5),
      ca("people-ca", "root", -300, 1500, 4), ca("roles-ca", "root", -300, 1500, 60), ca("control-ca", "root", -300, 1500, 33),
    ],
    replaced: [], older_root_crls: [],
    root_crl: { number: 7, this_update: iso(now - 70 * day), next_update: iso(now + 20 * day), revoked: 0 },
    ocsp_signers: ["online-ca", "server-ca", "web-ca", "control-ca"].map((name, at) => ({
      ca: name, serial: hash(`ocsp ${name}`).slice(0, 32), not_before: iso(now - (6 + at) * day), not_after: iso(now + (22 - at) * day),
    })),
  };
}

export function makeStatus(now) {
  const cas = ["online-ca", "server-ca", "web-ca", "people-ca", "roles-ca", "control-ca"];
  const host = (name, changes = {}) => ({
    host: name, state: "answering", reported_at: iso(now - 3_000), counting_since: iso(now - 9 * day),
    snapshot: { number: 4_812, behind: 0, issued_at: iso(now - 900_000), current_at: iso(now - 1_000) },
    answers: { cached: 61_204, "on-demand": 3_911, live: 128_440 }, refusals: { "no-lease": 0, "no-signer": 0, saturated: 12, unauthorized: 3, malformed: 1, internal: 0 },
    signers: cas.map((ca, at) => ({ ca, serial: hash(`${name} ${ca}`).slice(0, 32), not_before: iso(now - (6 + at) * day), not_after: iso(now + (22 - at) * day), renews_at: iso(now + (15 - at) * day) })),
    missing_signers: [], crls: cas.map((ca, at) => ({ ca, number: 700 + at, next_update: iso(now + 20 * 3_600_000) })), ...changes,
  });
  return {
    now: iso(now), snapshot_number: 4_812, hosts: [host("status-1"), host("status-2", { counting_since: iso(now - 2 * day), refusals: { "no-lease": 40, "no-signer": 0, saturated: 0, unauthorized: 0, malformed: 0, internal: 0 } })],
    root_crls: [{ name: "root", number: 7, this_update: iso(now - 20 * day), next_update: iso(now + 70 * day), due_at: iso(now + 40 * day), stage: "in-time",
      remedy: "on the root's machine: sallyport root crl; here: sallyport root install-crl", entries: 0, bytes: 372 }],
    crls: cas.map((ca, at) => ({
      ca, number: 700 + at, this_update: iso(now - 4 * 3_600_000), next_update: iso(now + 20 * 3_600_000), entries: at === 0 ? 22 : at, bytes: 300 + at * 1_037, url: `http://status.devices.localhost/crl/${ca}.crl`,
    })),
  };
}

export function makeExpiry(now) {
  const link = (kind, name, from, to, due, remedy = "it renews by itself; see why it does not") => ({
    kind, name, not_before: iso(now + from * day), not_after: iso(now + to * day), due_at: iso(now + due * day), stage: to <= 0 ? "ended" : due <= 0 ? "due" : "in-time",
    stops_the_service: kind !== "permit" && kind !== "site-ca", remedy,
  });
  const links = [
    link("root-crl", "root", -70, 20, -10, "on the root's machine: sallyport root crl; here: sallyport root install-crl"),
    link("permit", "graz", -340, 25, -35, "sallyport site permit graz"),
    ...["online-ca", "server-ca", "web-ca", "control-ca"].map((name, at) => link("ocsp-signer", name, -6 - at, 19 - at, 15 - at)),
    link("server", "gateway", -3, 27, 22), link("server", "console", -3, 27, 22), link("role", "relay", -3, 27, 22),
    link("control", "grant", -10, 20, 15), link("control", "permit", -300, 430, 308), link("ca", "online-ca", -300, 1500, 1140),
    link("site-ca", "lindau", -300, 1500, 1140), link("permit", "lindau", -230, 500, 440), link("root", "root", -300, 6900, 6170),
  ];
  return {
    now: iso(now), within_days: 30, links: links.sort((a, b) => a.not_after.localeCompare(b.not_after)),
    operational: { in_time: 1611, due: 2, ended: 1, ending: [
      { device: base32Name("late 1", 10), not_after: iso(now - 2 * day), stage: "ended" },
      { device: base32Name("late 2", 10), not_after: iso(now + 3 * day), stage: "due" },
      { device: base32Name("late 3", 10), not_after: iso(now + 9 * day), stage: "due" },
      { device: base32Name("soon", 10), not_after: iso(now + 28 * day), stage: "in-time" },
    ] },
    web: { in_time: 1614, due: 0, ended: 0, ending: [] },
  };
}
