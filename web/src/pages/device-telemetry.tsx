// What a device measures: one thin line per number, over a range that is part of the address.
import { useEffect, useMemo } from "preact/hooks";
import * as api from "../api/calls";
import type { Telemetry } from "../api/types";
import { go, usePlace, withQuery } from "../router";
import { now } from "../state/clock";
import { useLoad } from "../state/load";
import { useStateOf } from "../state/of";
import { counted } from "../ui/format";
import { Empty, Loading, ProblemNote, Time } from "../ui/parts";
import { Chart } from "../ui/chart";
import { Choice } from "./device-filter-bar";
import { seriesOf, telemetryCsv } from "./telemetry-series";

const ranges = [
  ["15m", "15 minutes", 15 * 60],
  ["1h", "1 hour", 3600],
  ["6h", "6 hours", 6 * 3600],
  ["24h", "24 hours", 86_400],
  ["7d", "7 days", 7 * 86_400],
] as const;
const itemLimit = 5_000;
const refreshMs = 15_000;

export function TelemetryTab({ name }: { name: string }) {
  const place = usePlace();
  const range = ranges.find(([key]) => key === place.query.get("range")) ?? ranges[1];
  const wanted = place.query.get("stream") ?? "";
  const streams = useLoad(name, () => api.getTelemetry(name, {}));
  const stream = wanted || streams.value?.streams[0]?.name || "";
  const items = useLoad(`${name} ${stream} ${range[0]}`, () => readItems(name, stream, range[2]));
  useEffect(() => {
    const timer = window.setInterval(items.reload, refreshMs);
    return () => window.clearInterval(timer);
  }, [items.reload]);

  if (streams.problem) return <ProblemNote problem={streams.problem} retry={streams.reload} />;
  if (!streams.value) return <Loading what="streams" />;
  if (streams.value.streams.length === 0) {
    return (
      <Empty title="No telemetry yet">
        <p>Programs on the device hand it over with <code>sallyport-agent send</code> or to the agent’s local address.</p>
      </Empty>
    );
  }
  const chosen = streams.value.streams.find((one) => one.name === stream);
  return (
    <>
      <div class="filters" role="group" aria-label="Stream and range">
        <Choice name="Stream" value={stream} options={streams.value.streams.map((one) => [one.name, one.name] as const)}
          onChange={(value) => go(withQuery(place, { stream: value }), "replace")} />
        <Choice name="Range" value={range[0]} options={ranges.map(([key, title]) => [key, title] as const)}
          onChange={(value) => go(withQuery(place, { range: value }), "replace")} />
        {items.value && items.value.items.length > 0 && (
          <button type="button" onClick={() => download(name, stream, items.value as Telemetry)}>Download CSV</button>
        )}
        {chosen && (
          <span class="muted">
            {counted(chosen.items, "item")} kept, newest <Time iso={chosen.newest} />
            {chosen.gaps > 0 && `, ${counted(chosen.gaps, "item")} dropped by the device`}
          </span>
        )}
      </div>
      <ProblemNote problem={items.problem} retry={items.reload} />
      {items.value ? <Charts telemetry={items.value} seconds={range[2]} title={range[1]} /> : !items.problem && <Loading what="items" />}
    </>
  );
}

async function readItems(name: string, stream: string, seconds: number): Promise<Telemetry> {
  if (!stream) return { streams: [], stream: null, items: [] };
  const from = new Date(now() - seconds * 1000).toISOString().replace(/\.\d+Z$/, "Z");
  return api.getTelemetry(name, { stream, from, limit: itemLimit });
}

function Charts({ telemetry, seconds, title }: { telemetry: Telemetry; seconds: number; title: string }) {
  const series = useMemo(() => seriesOf(telemetry.items), [telemetry]);
  const [zoom, setZoom] = useStateOf<[number, number] | null>(seconds, () => null);
  if (telemetry.items.length === 0) return <p class="muted">Nothing in the last {title}.</p>;
  const end = now() / 1000;
  return (
    <>
      {telemetry.items.length >= itemLimit && <p class="note">Only the newest {counted(itemLimit, "item")} of this range are shown.</p>}
      {zoom && <p><button type="button" onClick={() => setZoom(null)}>Show the whole range</button></p>}
      {series.map((one) => (
        <Chart key={one.name} series={one} from={zoom?.[0] ?? end - seconds} to={zoom?.[1] ?? end} onZoom={(from, to) => setZoom([from, to])} />
      ))}
      <Latest telemetry={telemetry} />
    </>
  );
}

const shownItems = 10;

function Latest({ telemetry }: { telemetry: Telemetry }) {
  return (
    <table class="items" aria-label="Newest items">
      <thead>
        <tr><th scope="col" class="number">Item</th><th scope="col">Time</th><th scope="col">Value</th></tr>
      </thead>
      <tbody>
        {telemetry.items.slice(-shownItems).reverse().map((item) => (
          <tr key={item.sequence}>
            <td class="number">{item.sequence}</td>
            <td><Time iso={item.time} /></td>
            <td><code class="value">{JSON.stringify(item.value) ?? ""}</code></td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function download(name: string, stream: string, telemetry: Telemetry): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([telemetryCsv(telemetry.items)], { type: "text/csv" }));
  link.download = `${name}-${stream.replace(/[^A-Za-z0-9_-]/g, "_")}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
}
