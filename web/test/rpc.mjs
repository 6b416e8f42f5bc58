// Nodes of the test peer, and what calling them comes to.
import { randomBytes } from "node:crypto";
import { needStepUp, Refusal } from "./peer.mjs";
import { iso } from "./fleet.mjs";

const kept = (id, now) => ({ id, kept: iso(now - 86_400_000), by: "mara" });
const untold = { verdict: "untold", reason: "", device: null, until: null, since: null, told: null, answered: null, calls_key: null, keys_key: null };

export function makeRpc(devices, now) {
  const told = { until: iso(now + 100_000_000), since: iso(now - 7_200_000), told: iso(now - 3_600_000) };
  return {
    configured: true,
    prefix: "",
    brokers: [
      { address: "broker.example:8883", connected: true, reason: "", since: iso(now - 7_200_000) },
      { address: "second.example:8883", connected: false, reason: "connection refused", since: iso(now - 60_000) },
    ],
    nodes: [
      { ...untold, name: "boiler", verdict: "contested", reason: `several devices tell of themselves as this node: ${devices[2].name} ${devices[3].name}`, ...told, until: null },
      { ...untold, name: "forged", verdict: "refused", reason: "bundle: signature does not verify", since: told.since, told: told.told },
      { ...untold, name: "old-plc", calls_key: kept("console", now) },
      { ...untold, name: "press-4", verdict: "verified", device: devices[0].name, ...told, answered: iso(now - 40_000), calls_key: kept("console", now), keys_key: kept("admin", now) },
      { ...untold, name: "silent", verdict: "verified", device: devices[1].name, ...told, calls_key: kept("console", now), keys_key: kept("admin", now) },
    ],
    left_out: 0,
    methods: [
      { name: "info", description: "tells what the node is and which methods the caller may call", idempotent: true, limit_ms: 10_000 },
      { name: "press.start", description: "starts the press", idempotent: false, limit_ms: 30_000 },
      { name: "test", description: "answers that the node is there", idempotent: true, limit_ms: 10_000 },
    ],
    keys: [
      { id: "admin", comment: "", allow: ["keys.*"], deny: [], items: [], deny_items: [], calls_per_minute: 600, expires: null, made: iso(now - 9e8), secrets: 1 },
      { id: "line-control", comment: "the line’s own controller", allow: ["press.*", "test"], deny: ["press.reset"], items: ["hall-1/*"], deny_items: [], calls_per_minute: 60, expires: iso(now + 5 * 86_400_000), made: iso(now - 8e8), secrets: 2 },
    ],
    calls: new Map(), // id → RpcCall with its `by` and `params`
    next: [], // what the next calls come to: partial RpcCalls
  };
}

const nodeOf = (peer, name) => peer.rpc.nodes.find((one) => one.name === name);
const silence = "no answer within 10 s";

function needKey(peer, name, purpose) {
  const node = nodeOf(peer, name);
  if (!node?.[`${purpose}_key`]) throw new Refusal(409, "rpc-key-missing", "No key is kept for this node", `no key for ${purpose} is kept for ${name}`);
  if (peer.rpc.brokers.every((one) => !one.connected)) throw new Refusal(503, "unavailable", "Not available right now", "no broker is connected; broker.example:8883: connection refused", { "Retry-After": "5" });
  if (name === "silent") throw new Refusal(504, "rpc-no-answer", "The node does not answer", silence);
}
const secret = (id) => `spk1_${id}_${randomBytes(32).toString("base64url")}_${randomBytes(3).toString("hex")}`;

export const rpcOperations = {
  listRpcNodes() {
    const { configured, prefix, brokers, nodes, left_out } = this.rpc;
    return [200, configured ? { configured, prefix, brokers, nodes, left_out } : { configured, prefix: "", brokers: [], nodes: [], left_out: 0 }];
  },
  listRpcMethods({ parameters }) {
    needKey(this, parameters.node, "calls");
    return [200, { node: parameters.node, version: "0.1.0", you: "key:console", up_s: 4_000, methods: this.rpc.methods }];
  },
  beginRpcCall({ parameters, body, login }) {
    if (body.method.startsWith("keys.")) throw new Refusal(400, "invalid-request", "The request is not of the right form", "method: keys.… are for the key for keys alone");
    const before = this.rpc.calls.get(body.id);
    if (before && (before.by !== login.login || before.params !== body.params || before.call.method !== body.method)) {
      throw new Refusal(409, "state-conflict", "The device's state does not allow this", "this id is another call's");
    }
    const node = nodeOf(this, parameters.node);
    if ((body.id === undefined) !== (body.key === undefined)) throw new Refusal(400, "invalid-request", "The request is not of the right form", "id, key: found one of them, want both or neither");
    const key = node.calls_key.id;
    if (body.key !== undefined && body.key !== key) {
      throw new Refusal(409, "state-conflict", "The device's state does not allow this", `this call was sent by key '${body.key}', and '${key}' is kept now`);
    }
    const id = body.id ?? `0190b1c2-7a5e-7c3d-8f00-${randomBytes(6).toString("hex")}`;
    const call = {
      id, node: parameters.node, method: body.method, state: "running", outcome: null, detail: "", asked: (before?.call.asked ?? 0) + 1, began: iso(Date.now()), took_ms: null,
      progress: [], progress_left_out: 0, result: null, error: null,
    };
    this.rpc.calls.set(id, { call, by: login.login, params: body.params });
    Object.assign(call, this.rpc.next.shift() ?? { state: "ended", outcome: "answered", took_ms: 84, result: { ok: true } });
    return [202, { id, key }];
  },
  getRpcCall({ parameters, login }) {
    const known = this.rpc.calls.get(parameters.id);
    if (!known || known.by !== login.login) throw new Refusal(404, "not-found", "There is no such thing", "no such call is known here any more");
    return [200, known.call];
  },
  keepRpcKey(call) {
    needStepUp(call);
    const { parameters, body } = call;
    const id = /^spk1_([a-z0-9._-]+)_/.exec(body.key)?.[1];
    if (!id) throw new Refusal(400, "invalid-request", "The request is not of the right form", "key: is none, or was mistyped; want the line that was shown, spk1_…");
    if (!nodeOf(this, parameters.node)) this.rpc.nodes.push({ ...untold, name: parameters.node });
    nodeOf(this, parameters.node)[`${body.purpose}_key`] = kept(id, Date.now() + 86_400_000);
    this.send("rpc", {});
    return [200, { id }];
  },
  forgetRpcKey(call) {
    needStepUp(call);
    nodeOf(this, call.parameters.node)[`${call.parameters.purpose}_key`] = null;
    this.send("rpc", {});
    return [204];
  },
  listRpcKeys({ parameters }) {
    needKey(this, parameters.node, "keys");
    return [200, { keys: this.rpc.keys }];
  },
  addRpcKey(call) {
    needStepUp(call);
    const { parameters, body } = call;
    needKey(this, parameters.node, "keys");
    if (this.rpc.keys.some((one) => one.id === body.id)) throw new Refusal(409, "rpc-refused", "The node refuses", `key '${body.id}': is there already; rotate or remove it`);
    this.rpc.keys.push({ comment: "", deny: [], items: [], deny_items: [], calls_per_minute: 600, expires: null, made: iso(Date.now()), secrets: 1, ...body });
    return [201, { key: secret(body.id) }];
  },
  rotateRpcKey(call) {
    needStepUp(call);
    const { parameters, body } = call;
    const key = this.rpc.keys.find((one) => one.id === parameters.key);
    const node = nodeOf(this, parameters.node);
    const isKept = [node.calls_key?.id, node.keys_key?.id].includes(key.id);
    if (isKept && body.overlap_s < 3_600) {
      throw new Refusal(400, "invalid-request", "The request is not of the right form", `overlap_s: found ${body.overlap_s}, want at least 3600 of a key that is kept here`);
    }
    Object.assign(key, { made: iso(Date.now()), secrets: body.overlap_s > 0 ? 2 : 1 });
    if (node.keys_key?.id === key.id) node.keys_key = kept(key.id, Date.now() + 2 * 86_400_000);
    return [200, { key: secret(key.id), kept: isKept }];
  },
  removeRpcKey(call) {
    needStepUp(call);
    const { parameters, body } = call;
    if (body.confirm !== parameters.key) throw new Refusal(422, "confirmation-mismatch", "The confirmation does not match");
    this.rpc.keys = this.rpc.keys.filter((one) => one.id !== parameters.key);
    return [204];
  },
};
