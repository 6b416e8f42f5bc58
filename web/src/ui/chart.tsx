// A thin line over time with its newest value written beside its name. Drag to zoom.
import { useEffect, useRef } from "preact/hooks";
import type uPlot from "uplot";
import type { Series } from "../pages/telemetry-series";
import { useWide } from "./window";

const height = 160;
const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 6, useGrouping: true });

interface Props {
  series: Series;
  from: number; // seconds since 1970
  to: number;
  onZoom: (from: number, to: number) => void;
}

export function Chart({ series, from, to, onZoom }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const zoom = useRef(onZoom);
  zoom.current = onZoom;
  const span = useRef({ from, to });
  span.current = { from, to };
  const dark = useWide("(prefers-color-scheme: dark)");
  const data: uPlot.AlignedData = [series.times, series.values];
  const latestData = useRef(data);
  latestData.current = data;

  useEffect(() => {
    const element = holder.current;
    if (!element) return;
    let gone = false;
    const watcher = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height }));
    void import("./plot").then(({ makePlot }) => {
      if (gone) return;
      plot.current = makePlot(element, latestData.current, { height, span, zoom, style: getComputedStyle(element) });
      watcher.observe(element);
    });
    return () => {
      gone = true;
      watcher.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [dark]);
  useEffect(() => plot.current?.setData(data), [series, from, to]);

  return (
    <figure class="chart">
      <figcaption>
        <span>{series.name}</span> <strong>{number.format(series.values.at(-1) ?? 0)}</strong>
        <span class="muted">{inWords(series)}</span>
      </figcaption>
      <div ref={holder} role="img" aria-label={`${series.name} over time: ${inWords(series)}`} />
    </figure>
  );
}

function inWords(series: Series): string {
  let low = Infinity;
  let high = -Infinity;
  for (const value of series.values) {
    if (value === null) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return `${number.format(low)} to ${number.format(high)}`;
}
