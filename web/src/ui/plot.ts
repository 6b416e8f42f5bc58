// The chart library, read only when there is something to draw.
import type { RefObject } from "preact";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

interface Options {
  height: number;
  span: RefObject<{ from: number; to: number }>;
  zoom: RefObject<(from: number, to: number) => void>;
  style: CSSStyleDeclaration;
}

// "07:35", "07:35:20" when zoomed in, "11-21 07:35" at the first mark and where a day begins, in the reader's zone.
function timeLabels(_plot: uPlot, marks: number[], _axis: number, _space: number, increment: number): string[] {
  const two = (value: number): string => String(value).padStart(2, "0");
  let dayBefore = "";
  return marks.map((mark) => {
    const time = new Date(mark * 1000);
    const day = `${two(time.getMonth() + 1)}-${two(time.getDate())}`;
    const clock = `${two(time.getHours())}:${two(time.getMinutes())}${increment < 60 ? `:${two(time.getSeconds())}` : ""}`;
    const text = increment >= 86_400 ? day : day === dayBefore ? clock : `${day}\n${clock}`;
    dayBefore = day;
    return text;
  });
}

export function makePlot(element: HTMLElement, data: uPlot.AlignedData, { height, span, zoom, style }: Options): uPlot {
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: colour("--muted"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { stroke: colour("--line"), width: 1 },
    font: `11px ${style.fontFamily}`,
  };
  return new uPlot(
    {
      width: element.clientWidth,
      height,
      legend: { show: false },
      cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 5 } },
      scales: { x: { time: true, range: () => [span.current?.from ?? 0, span.current?.to ?? 1] } },
      axes: [{ ...axis, values: timeLabels }, { ...axis, size: 56 }],
      series: [{}, { stroke: colour("--accent"), width: 1.25, points: { show: false } }],
      hooks: {
        setSelect: [
          (plot) => {
            if (plot.select.width < 4) return;
            const from = plot.posToVal(plot.select.left, "x");
            const to = plot.posToVal(plot.select.left + plot.select.width, "x");
            plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            zoom.current?.(from, to);
          },
        ],
      },
    },
    data,
    element,
  );
}
