// Which rows of a long table are worth drawing: those on the screen and some on either side.
import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";

const spareRows = 12;

export interface Rows {
  first: number;
  last: number; // exclusive
}

export function useRows(table: RefObject<HTMLElement>, total: number, rowHeight: number): Rows {
  const [rows, setRows] = useState<Rows>({ first: 0, last: 60 });
  useEffect(() => {
    const measure = (): void => {
      const body = table.current;
      if (!body) return;
      const above = Math.max(0, -body.getBoundingClientRect().top);
      const first = Math.max(0, Math.floor(above / rowHeight) - spareRows);
      const last = Math.ceil((above + window.innerHeight) / rowHeight) + spareRows;
      setRows((before) => (before.first === first && before.last === last ? before : { first, last }));
    };
    measure();
    window.addEventListener("scroll", measure, { passive: true });
    window.addEventListener("resize", measure);
    return () => {
      window.removeEventListener("scroll", measure);
      window.removeEventListener("resize", measure);
    };
  }, [table, total, rowHeight]);
  return { first: Math.min(rows.first, total), last: Math.min(rows.last, total) };
}

export function useWide(query: string): boolean {
  const [wide, setWide] = useState(() => window.matchMedia(query).matches);
  useEffect(() => {
    const list = window.matchMedia(query);
    const onChange = (): void => setWide(list.matches);
    list.addEventListener("change", onChange);
    return () => list.removeEventListener("change", onChange);
  }, [query]);
  return wide;
}
