// The stream of changes from the server, and whether it flows.
import { eventsPath } from "../api/calls";
import type { AccessSession, Alarm, AuditEntry, Device } from "../api/types";
import { loadSession } from "./session";
import { Store } from "./store";

interface EventData {
  ready: object;
  device: Device;
  session: AccessSession;
  audit: AuditEntry;
  alarm: Alarm;
  status: object;
  rpc: object;
}
type EventName = keyof EventData;
const names: readonly EventName[] = ["ready", "device", "session", "audit", "alarm", "status", "rpc"];

export type Link = "connecting" | "live" | "lost";
export const linkStore = new Store<Link>("connecting");

const handlers = new Map<EventName, Set<(data: never) => void>>(names.map((name) => [name, new Set()]));
const firstRetryMs = 1_000;
const lastRetryMs = 30_000;
let source: EventSource | null = null;
let retryMs = firstRetryMs;
let retryTimer = 0;

export function onEvent<N extends EventName>(name: N, handler: (data: EventData[N]) => void): () => void {
  handlers.get(name)?.add(handler as (data: never) => void);
  return () => handlers.get(name)?.delete(handler as (data: never) => void);
}

export function startEvents(): () => void {
  connect();
  return () => {
    window.clearTimeout(retryTimer);
    source?.close();
    source = null;
    linkStore.set("connecting");
  };
}

function connect(): void {
  const stream = new EventSource(eventsPath);
  source = stream;
  for (const name of names) stream.addEventListener(name, (event) => deliver(name, event as MessageEvent<string>));
  stream.addEventListener("ready", () => {
    retryMs = firstRetryMs;
    linkStore.set("live");
  });
  stream.addEventListener("error", () => {
    linkStore.set("lost");
    if (stream.readyState !== EventSource.CLOSED || source !== stream) return; // the browser tries again by itself
    retryTimer = window.setTimeout(() => {
      void loadSession().then(() => {
        if (source === stream) connect();
      });
    }, retryMs);
    retryMs = Math.min(retryMs * 2, lastRetryMs);
  });
}

function deliver(name: EventName, event: MessageEvent<string>): void {
  let data: unknown;
  try {
    data = JSON.parse(event.data);
  } catch {
    return; // a cut line: the next `ready` brings everything
  }
  for (const handler of [...(handlers.get(name) ?? [])]) (handler as (data: unknown) => void)(data);
}
