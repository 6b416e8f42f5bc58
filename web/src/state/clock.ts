// Time as the server sees it, so that "2 minutes ago" is right on a machine whose clock is wrong.
import { useEffect } from "preact/hooks";
import { Store, useStore } from "./store";

const tickMs = 5_000;
let offsetMs = 0;

export function setServerTime(iso: string): void {
  const server = Date.parse(iso);
  // A difference below the resolution of the answer is no difference.
  if (Number.isFinite(server) && Math.abs(server - Date.now()) > 2_000) offsetMs = server - Date.now();
}

export const now = (): number => Date.now() + offsetMs;

const ticks = new Store(0);
let users = 0;
let timer = 0;

// Redraws the caller every few seconds and returns the time.
export function useNow(): number {
  useStore(ticks);
  useEffect(() => {
    if (users++ === 0) timer = window.setInterval(() => ticks.set(ticks.value + 1), tickMs);
    return () => {
      if (--users === 0) window.clearInterval(timer);
    };
  }, []);
  return now();
}
