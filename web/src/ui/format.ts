// Times, sizes and fingerprints as people read them.

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
export const day = 24 * hour;

// "12 s", "4 min", "3 h", "12 days", "5 months", "2 years"
export function duration(ms: number): string {
  const length = Math.abs(ms);
  if (length < minute) return `${Math.floor(length / second)} s`;
  if (length < hour) return `${Math.floor(length / minute)} min`;
  if (length < 2 * day) return `${Math.floor(length / hour)} h`;
  if (length < 90 * day) return `${Math.floor(length / day)} days`;
  if (length < 730 * day) return `${Math.floor(length / (30.44 * day))} months`;
  return `${Math.floor(length / (365.25 * day))} years`;
}

// "just now", "4 min ago", "in 12 days"
export function relative(iso: string, now: number): string {
  const distance = Date.parse(iso) - now;
  if (Number.isNaN(distance)) return "unknown";
  if (Math.abs(distance) < 5 * second) return "just now";
  return distance < 0 ? `${duration(distance)} ago` : `in ${duration(distance)}`;
}

export const daysUntil = (iso: string, now: number): number => Math.floor((Date.parse(iso) - now) / day);

const units = ["B", "kB", "MB", "GB", "TB", "PB"];
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    ++unit;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

const thousands = new Intl.NumberFormat("en", { useGrouping: true, maximumFractionDigits: 0 });
export const count = (value: number): string => thousands.format(value);
export const counted = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`;

// "9f86 d081 884c …"
export const grouped = (hex: string): string => hex.match(/.{1,4}/g)?.join(" ") ?? hex;

// "2026-11-21 07:05" in the reader's own zone
export function localTime(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return "unknown";
  const two = (value: number): string => String(value).padStart(2, "0");
  return (
    `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ` +
    `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`
  );
}
