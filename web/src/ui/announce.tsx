// What happened, said to people who see it and to screen readers alike: one line at the foot of the page.
import { useEffect } from "preact/hooks";
import { Store, useStore } from "../state/store";

const shownForMs = 6_000;
const line = new Store<{ text: string; turn: number }>({ text: "", turn: 0 });

export function announce(text: string): void {
  line.set({ text, turn: line.value.turn + 1 });
}

export function Announcements() {
  const { text, turn } = useStore(line);
  useEffect(() => {
    if (!text) return;
    const timer = window.setTimeout(() => line.set({ text: "", turn }), shownForMs);
    return () => window.clearTimeout(timer);
  }, [text, turn]);
  return (
    <div class="announcement" role="status" aria-live="polite">
      {text && <span>{text}</span>}
    </div>
  );
}
