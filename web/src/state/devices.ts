// All devices of the tenant, kept up to date by events. One object per device, replaced when it changes.
import * as api from "../api/calls";
import { asProblem, type Problem } from "../api/http";
import type { Device } from "../api/types";
import { onEvent } from "./events";
import { Store } from "./store";

const pageSize = 1_000;

interface Fleet {
  readonly byKey: Map<string, Device>;
  readonly byName: Map<string, Device>;
  status: "loading" | "ready";
  problem: Problem | null;
}

export const fleetStore = new Store<Fleet>({ byKey: new Map(), byName: new Map(), status: "loading", problem: null });

export const deviceKey = (device: Device): string => `${device.site}/${device.serial_id}`;

export function putDevice(device: Device): void {
  const fleet = fleetStore.value;
  fleet.byKey.set(deviceKey(device), device);
  if (device.name) fleet.byName.set(device.name, device);
  fleetStore.changed();
}

let loading: Promise<void> | null = null;

// Reads every device. What events bring meanwhile is newer than a page that was on its way, and wins.
export function loadDevices(): Promise<void> {
  loading ??= readAll().finally(() => (loading = null));
  return loading;
}

async function readAll(): Promise<void> {
  const fleet = fleetStore.value;
  const changedMeanwhile = new Set<string>();
  const seen = new Set<string>();
  const stop = onEvent("device", (device) => changedMeanwhile.add(deviceKey(device)));
  try {
    let after: string | undefined;
    do {
      const page: { devices: readonly Device[]; next: string | null } = await api.listDevices(after, pageSize);
      for (const device of page.devices) {
        const key = deviceKey(device);
        seen.add(key);
        if (changedMeanwhile.has(key)) continue;
        fleet.byKey.set(key, device);
        if (device.name) fleet.byName.set(device.name, device);
      }
      after = page.next ?? undefined;
      fleetStore.changed();
    } while (after !== undefined);
    for (const [key, device] of fleet.byKey) {
      if (seen.has(key) || changedMeanwhile.has(key)) continue;
      fleet.byKey.delete(key);
      if (device.name) fleet.byName.delete(device.name);
    }
    fleet.problem = null;
  } catch (error) {
    fleet.problem = asProblem(error);
  } finally {
    stop();
    fleet.status = "ready";
    fleetStore.changed();
  }
}

// Forgets everything: another person may log in on this page.
export function clearDevices(): void {
  fleetStore.set({ byKey: new Map(), byName: new Map(), status: "loading", problem: null });
}

export function keepDevicesLive(): () => void {
  const stops = [onEvent("device", putDevice), onEvent("ready", () => void loadDevices())];
  void loadDevices();
  return () => stops.forEach((stop) => stop());
}
