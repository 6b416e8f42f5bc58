// A value that components watch. Changes are told once per frame, so a burst of events costs one render.
import { useEffect, useState } from "preact/hooks";

export class Store<T> {
  #value: T;
  #watchers = new Set<() => void>();
  #scheduled = false;

  constructor(initial: T) {
    this.#value = initial;
  }
  get value(): T {
    return this.#value;
  }
  set(value: T): void {
    this.#value = value;
    this.changed();
  }
  // Tells watchers that something inside the value has changed.
  changed(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueFrame(() => {
      this.#scheduled = false;
      for (const watcher of [...this.#watchers]) watcher();
    });
  }
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}

// A hidden page has no frames.
function queueFrame(run: () => void): void {
  if (document.visibilityState === "visible") requestAnimationFrame(run);
  else setTimeout(run, 50);
}

export function useStore<T>(store: Store<T>): T {
  const [, redraw] = useState({});
  useEffect(() => {
    redraw({});
    return store.watch(() => redraw({}));
  }, [store]);
  return store.value;
}
