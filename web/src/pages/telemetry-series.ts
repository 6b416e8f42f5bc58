// Numbers found in telemetry items, by the path of their field.
import type { Telemetry } from "../api/types";

type Items = Telemetry["items"];

export interface Series {
  name: string; // "temperature", "motor.rpm"; "value" for a bare number
  times: number[]; // seconds since 1970, rising
  values: (number | null)[];
}

const maxSeries = 12;
const maxDepth = 3;

// Items in order of time; at most twelve series, in order of first appearance.
export function seriesOf(items: Items): Series[] {
  const found = new Map<string, Map<number, number>>();
  for (const item of items) {
    const time = Date.parse(item.time) / 1000;
    if (!Number.isFinite(time)) continue;
    collect("", item.value, maxDepth, (name, value) => {
      let points = found.get(name);
      if (!points) {
        if (found.size >= maxSeries) return;
        found.set(name, (points = new Map<number, number>()));
      }
      points.set(time, value);
    });
  }
  return [...found].map(([name, points]) => {
    const times = [...points.keys()].sort((a, b) => a - b);
    return { name, times, values: times.map((time) => points.get(time) ?? null) };
  });
}

function collect(name: string, value: unknown, depth: number, take: (name: string, value: number) => void): void {
  if (typeof value === "number" && Number.isFinite(value)) take(name || "value", value);
  if (typeof value !== "object" || value === null || Array.isArray(value) || depth === 0) return;
  for (const [key, inner] of Object.entries(value)) collect(name ? `${name}.${key}` : key, inner, depth - 1, take);
}

export function telemetryCsv(items: Items): string {
  const lines = items.map((item) => [item.sequence, item.time, cell(JSON.stringify(item.value) ?? "")].join(","));
  return `sequence,time,value\r\n${lines.join("\r\n")}\r\n`;
}

// Quoted, and never a formula to a spreadsheet: the text came from a device.
function cell(text: string): string {
  const isNumber = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text);
  const safe = !isNumber && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}
