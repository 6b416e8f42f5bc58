// The transparency log that the test peer pretends to have: a real tree (RFC 6962 §2.1) over real entries, so that the front
// end's proof is computed over what it would be.
import { createHash } from "node:crypto";
import { hash, iso } from "./fleet.mjs";

const sha256 = (...parts) => parts.reduce((sum, part) => sum.update(part), createHash("sha256")).digest();
const leafHash = (entry) => sha256(Buffer.of(0), entry);
const nodeHash = (left, right) => sha256(Buffer.of(1), left, right);

function split(size) {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

function rootOf(leaves) {
  if (leaves.length === 1) return leaves[0];
  const at = split(leaves.length);
  return nodeHash(rootOf(leaves.slice(0, at)), rootOf(leaves.slice(at)));
}

function pathTo(index, leaves) {
  if (leaves.length === 1) return [];
  const at = split(leaves.length);
  return index < at ? [...pathTo(index, leaves.slice(0, at)), rootOf(leaves.slice(at))] : [...pathTo(index - at, leaves.slice(at)), rootOf(leaves.slice(0, at))];
}

const derOf = (certificate) => Buffer.from(certificate.pem.replace(/-----[A-Z ]+-----|\s/g, ""), "base64");
const headOf = (index) => Buffer.from(`head of entry ${index};`);

export function makeLog(certificates, now) {
  const shown = [];
  const bytes = [];
  const add = (entry, content) => {
    shown.push({ index: shown.length, time: iso(now - (200 - shown.length) * 60_000), ...entry });
    bytes.push(content);
  };
  certificates.forEach((one, at) => {
    add({ kind: "certificate", ca: one.ca, subject: one.subject, names: [], serial: one.serial, sha256: one.sha256, not_before: one.not_before, not_after: one.not_after },
      Buffer.concat([headOf(shown.length), derOf(one)]));
    add({ kind: "audit-event", sequence: at + 1, hash: hash(`audit ${at}`) }, Buffer.from(`audit ${at}`));
  });
  add({ kind: "ledger-head", site: "lindau", sequence: 1812, hash: hash("lindau") }, Buffer.from("ledger"));
  const leaves = bytes.map(leafHash);
  const root = rootOf(leaves);
  const checkpoint = `devices.localhost/log\n${leaves.length}\n${root.toString("base64")}\n\n— devices.localhost/log AAAA\n`;
  const proofOf = (index) => ["c2sp.org/tlog-proof@v1", `extra ${headOf(index).toString("base64")}`, `index ${index}`,
    ...pathTo(index, leaves).map((one) => one.toString("base64")), "", checkpoint].join("\n");
  return {
    entries: shown, proofOf,
    head: { origin: "devices.localhost/log", size: leaves.length, root_hash: root.toString("hex"), checkpoint, key_chain: "", root: "", fault: null, was_set_back: false },
  };
}
