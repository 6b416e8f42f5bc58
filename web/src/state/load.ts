// Reading something for a page: loading, the value, or the problem; read again on demand.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { asProblem, type Problem } from "../api/http";
import { onEvent } from "./events";

export interface Loaded<T> {
  value: T | null;
  problem: Problem | null;
  loading: boolean;
  reload: () => void;
}

// Reads again when `key` changes and when the stream of events had a gap. An answer that comes after a newer question
// is dropped; the value before stays while the next one is on its way.
export function useLoad<T>(key: string, read: () => Promise<T>): Loaded<T> {
  const [state, setState] = useState<{ key: string; value: T | null; problem: Problem | null; loading: boolean }>({
    key,
    value: null,
    problem: null,
    loading: true,
  });
  const latest = useRef(0);
  const reader = useRef(read);
  reader.current = read;
  const reload = useCallback(() => {
    const turn = ++latest.current;
    setState((before) => ({ ...before, key, value: before.key === key ? before.value : null, loading: true }));
    reader.current().then(
      (value) => turn === latest.current && setState({ key, value, problem: null, loading: false }),
      (error: unknown) =>
        turn === latest.current && setState((before) => ({ ...before, problem: asProblem(error), loading: false })),
    );
  }, [key]);
  useEffect(() => {
    reload();
    let first = true;
    const stop = onEvent("ready", () => {
      if (!first) reload();
      first = false;
    });
    return () => {
      stop();
      ++latest.current;
    };
  }, [reload]);
  const current = state.key === key;
  return { value: current ? state.value : null, problem: current ? state.problem : null, loading: !current || state.loading, reload };
}

// Doing something: at most one at a time, with its problem.
export function useAct(): { busy: boolean; problem: Problem | null; run: (act: () => Promise<void>) => void; clear: () => void } {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const running = useRef(false);
  const run = (act: () => Promise<void>): void => {
    if (running.current) return;
    running.current = true;
    setBusy(true);
    setProblem(null);
    act()
      .catch((error: unknown) => setProblem(asProblem(error)))
      .finally(() => {
        running.current = false;
        setBusy(false);
      });
  };
  return { busy, problem, run, clear: () => setProblem(null) };
}
