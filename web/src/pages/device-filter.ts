// Which devices a person wants to see, read from the address, and in what order.
import type { Device } from "../api/types";
import { daysUntil } from "../ui/format";
import { type Condition, conditionOf, conditions } from "../ui/mark";

export interface DeviceFilter {
  text: string;
  condition: Condition | "";
  site: string;
  version: string;
  expiresWithinDays: number | null;
  silentForDays: number | null; // offline at least so long
  alarmed: boolean;
  sort: SortKey;
  descending: boolean;
}

export const sortKeys = ["name", "state", "site", "seen", "rtt", "certificate"] as const;
export type SortKey = (typeof sortKeys)[number];

export function readFilter(query: URLSearchParams): DeviceFilter {
  const sort = query.get("sort") ?? "";
  const key = sort.replace(/^-/, "");
  const condition = query.get("state") ?? "";
  return {
    text: query.get("q") ?? "",
    condition: (conditions as readonly string[]).includes(condition) ? (condition as Condition) : "",
    site: query.get("site") ?? "",
    version: query.get("version") ?? "",
    expiresWithinDays: days(query.get("expires")),
    silentForDays: days(query.get("silent")),
    alarmed: query.get("alarms") === "1",
    sort: (sortKeys as readonly string[]).includes(key) ? (key as SortKey) : "name",
    descending: sort.startsWith("-"),
  };
}

const days = (text: string | null): number | null => (text && /^\d{1,4}$/.test(text) ? Number(text) : null);

export const isFiltered = (filter: DeviceFilter): boolean =>
  Boolean(filter.text || filter.condition || filter.site || filter.version || filter.alarmed) ||
  filter.expiresWithinDays !== null ||
  filter.silentForDays !== null;

export const displayName = (device: Device): string => device.alias || device.serial_id;

// Every word must be found somewhere.
export function searchMatches(device: Device, text: string): boolean {
  if (!text) return true;
  const heap = `${device.alias}\n${device.serial_id}\n${device.name ?? ""}\n${device.site}`.toLowerCase();
  return text.toLowerCase().split(/\s+/).every((word) => heap.includes(word));
}

export function matches(device: Device, filter: DeviceFilter, now: number): boolean {
  if (filter.condition && conditionOf(device) !== filter.condition) return false;
  if (filter.site && device.site !== filter.site) return false;
  if (filter.version && device.agent_version !== filter.version) return false;
  if (filter.alarmed && device.alarms.length === 0) return false;
  if (filter.expiresWithinDays !== null && !expiresWithin(device, filter.expiresWithinDays, now)) return false;
  if (filter.silentForDays !== null && !silentFor(device, filter.silentForDays, now)) return false;
  return searchMatches(device, filter.text);
}

export const isInUse = (device: Device): boolean => device.state === "claimed" || device.state === "connected";

export const expiresWithin = (device: Device, limit: number, now: number): boolean =>
  isInUse(device) && device.certificate_expires !== null && daysUntil(device.certificate_expires, now) < limit;

export const silentFor = (device: Device, limit: number, now: number): boolean =>
  isInUse(device) && !device.online && device.last_seen !== null && -daysUntil(device.last_seen, now) > limit;

type Rank = (device: Device) => string | number;
const last = Number.MAX_SAFE_INTEGER;
const ranks: Record<SortKey, Rank> = {
  name: (device) => displayName(device).toLowerCase(),
  state: (device) => conditions.indexOf(conditionOf(device)),
  site: (device) => device.site,
  seen: (device) => (device.online ? 0 : device.last_seen ? -Date.parse(device.last_seen) / 1000 + last / 2 : last),
  rtt: (device) => device.rtt_ms ?? last,
  certificate: (device) => (device.certificate_expires ? Date.parse(device.certificate_expires) : last),
};
const collator = new Intl.Collator("en", { numeric: true });

export function inOrder(devices: Device[], filter: DeviceFilter): Device[] {
  const rank = ranks[filter.sort];
  const sign = filter.descending ? -1 : 1;
  const ranked = devices.map((device) => ({ device, rank: rank(device) }));
  ranked.sort((a, b) => {
    const order =
      typeof a.rank === "string" ? collator.compare(a.rank, String(b.rank)) : a.rank - Number(b.rank);
    return sign * order || collator.compare(a.device.serial_id, b.device.serial_id);
  });
  return ranked.map((entry) => entry.device);
}
