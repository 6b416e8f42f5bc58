// Every state of the page is an address. Links are ordinary links; a plain click stays on the page.
import type { ComponentChildren, JSX } from "preact";
import { Store, useStore } from "./state/store";

export interface Place {
  path: string;
  query: URLSearchParams;
}

const here = (): Place => ({ path: window.location.pathname, query: new URLSearchParams(window.location.search) });
const placeStore = new Store<Place>(here());
window.addEventListener("popstate", () => placeStore.set(here()));

export const usePlace = (): Place => useStore(placeStore);

export function go(address: string, how: "push" | "replace" = "push"): void {
  if (how === "push") window.history.pushState(null, "", address);
  else window.history.replaceState(null, "", address);
  const before = placeStore.value.path;
  placeStore.set(here());
  if (how === "push" && before !== window.location.pathname) window.scrollTo(0, 0);
}

// Returns the present address with some query parameters changed; an empty value removes one.
export function withQuery(place: Place, changes: Record<string, string>): string {
  const query = new URLSearchParams(place.query);
  for (const [key, value] of Object.entries(changes)) {
    if (value) query.set(key, value);
    else query.delete(key);
  }
  const text = query.toString();
  return place.path + (text ? `?${text}` : "");
}

type AnchorProps = Omit<JSX.HTMLAttributes<HTMLAnchorElement>, "href"> & { to: string; children?: ComponentChildren };

export function Link({ to, ...rest }: AnchorProps) {
  const onClick = (event: MouseEvent): void => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(to);
  };
  return <a href={to} onClick={onClick} {...rest} />;
}
