// Keys for tables: j and k walk the links marked data-row, Enter opens one as any link, o opens the first service of
// its row. `/` goes to the search.
import { useEffect } from "preact/hooks";

export function useKeys(): void {
  useEffect(() => {
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
}

function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const target = event.target as HTMLElement;
  if (target.closest("dialog")) return;
  if (target.closest("input, textarea, select")) {
    if (event.key === "Escape") target.blur();
    return;
  }
  switch (event.key) {
    case "/":
      document.querySelector<HTMLElement>("[data-search]")?.focus();
      break;
    case "j":
      step(1);
      break;
    case "k":
      step(-1);
      break;
    case "o":
      target.closest("tr")?.querySelector<HTMLElement>("[data-open]")?.click();
      break;
    default:
      return;
  }
  event.preventDefault();
}

function step(by: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")];
  const at = rows.findIndex((row) => row === document.activeElement || row.closest("tr")?.contains(document.activeElement));
  const next = at < 0 ? rows.find((row) => row.getBoundingClientRect().top > 0) : rows[at + by];
  next?.focus({ preventScroll: true });
  next?.closest("tr")?.scrollIntoView({ block: "nearest" });
}
