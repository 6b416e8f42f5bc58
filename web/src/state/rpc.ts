// The calls that were made from this page, and how they stand. They are gone when the page is: the audit log stays.
import * as api from "../api/calls";
import { asProblem, type Problem } from "../api/http";
import type { RpcCall, RpcMethod } from "../api/types";
import { onEvent } from "./events";
import { Store } from "./store";

export interface PageCall {
  number: number; // in the order of this page
  node: string;
  method: string;
  params: string; // as typed
  idempotent: boolean;
  timeoutMs: number;
  begun: number; // by this machine's clock
  id: string | null; // before the console has given it one: null
  key: string | null; // by which it was sent first: by another it could run twice
  call: RpcCall | null;
  problem: Problem | null; // it could not be begun or asked again, or is not known any more
}

export const rpcCallsStore = new Store<readonly PageCall[]>([]);
const kept = 100;
const lookEveryMs = 1_000;
let numbers = 0;
let looking = false;
// Being sent, so that what is known of them here is of the sending before.
const beginning = new Set<number>();

const typed = new Map<string, string>();
const place = (node: string, method: string): string => `${node} ${method}`;
// What was typed for a method last, on this page alone.
export const lastParams = (node: string, method: string): string => typed.get(place(node, method)) ?? "";
export function rememberParams(node: string, method: string, params: string): void {
  typed.set(place(node, method), params);
}

export function clearRpcCalls(): void {
  typed.clear();
  rpcCallsStore.set([]);
}

export const isUnderWay = (one: PageCall): boolean => one.problem === null && one.call?.state !== "ended";
// Whether asking again may tell what is not known now, or run what did not run.
export const mayAskAgain = (one: PageCall): boolean =>
  one.id !== null && (one.problem !== null || ["unknown", "unheard", "unsent", "late", "overloaded"].includes(one.call?.outcome ?? ""));

export async function beginCall(node: string, method: RpcMethod, params: string, timeoutMs: number): Promise<number> {
  const one: PageCall = {
    number: ++numbers, node, method: method.name, params, idempotent: method.idempotent, timeoutMs, begun: Date.now(), id: null, key: null, call: null, problem: null,
  };
  rpcCallsStore.set([one, ...rpcCallsStore.value].slice(0, kept));
  await send(one);
  return one.number;
}

export async function askAgain(one: PageCall): Promise<void> {
  change(one.number, { begun: Date.now(), call: null, problem: null });
  await send(one);
}

async function send(one: PageCall): Promise<void> {
  beginning.add(one.number);
  try {
    const { id, key } = await api.beginRpcCall(one.node, {
      method: one.method,
      idempotent: one.idempotent,
      timeout_ms: one.timeoutMs,
      ...(one.params.trim() ? { params: one.params } : {}),
      ...(one.id && one.key ? { id: one.id, key: one.key } : {}),
    });
    change(one.number, { id, key });
  } catch (error) {
    change(one.number, { problem: asProblem(error) });
  } finally {
    beginning.delete(one.number);
  }
  void look();
}

function change(number: number, changes: Partial<PageCall>): void {
  rpcCallsStore.set(rpcCallsStore.value.map((one) => (one.number === number ? { ...one, ...changes } : one)));
}

// Looks at whatever is under way, whenever something has moved and every second besides.
export function keepRpcCalls(): () => void {
  const stop = onEvent("rpc", () => void look());
  const timer = window.setInterval(() => void look(), lookEveryMs);
  return () => {
    stop();
    window.clearInterval(timer);
  };
}

async function look(): Promise<void> {
  if (looking) return;
  looking = true;
  try {
    for (const one of rpcCallsStore.value.filter((each) => isUnderWay(each) && each.id !== null && !beginning.has(each.number))) await lookAt(one);
  } finally {
    looking = false;
  }
}

async function lookAt(one: PageCall): Promise<void> {
  try {
    const call = await api.getRpcCall(one.id ?? "");
    change(one.number, { call });
  } catch (error) {
    const problem = asProblem(error);
    // Anything else passes: the next look may do better.
    if (problem.kind === "not-found") change(one.number, { problem });
  }
}
