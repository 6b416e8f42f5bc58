// What surrounds every page: the rail, the search, the person, and the stream of events that keeps all of it current.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Session } from "../api/types";
import { go, Link, usePlace, withQuery } from "../router";
import { keepExpiry } from "../state/expiry";
import { clearDevices, fleetStore, keepDevicesLive } from "../state/devices";
import { linkStore, startEvents } from "../state/events";
import { useAct } from "../state/load";
import { clearRpcCalls, keepRpcCalls } from "../state/rpc";
import { logout } from "../state/session";
import { useStore } from "../state/store";
import { searchMatches } from "../pages/device-filter";
import { announce, Announcements } from "./announce";
import { ExpiryBanner } from "./expiry";
import { useKeys } from "./keys";
import { Mark } from "./mark";

const rail = [
  ["/devices", "Devices"],
  ["/fleet", "Fleet"],
  ["/sites", "Sites"],
  ["/pki", "PKI"],
  ["/status", "Status"],
  ["/rpc", "RPC"],
  ["/audit", "Audit"],
  ["/settings", "Settings"],
] as const;

export function Shell({ session, children }: { session: Session; children: ComponentChildren }) {
  const { path } = usePlace();
  useKeys();
  useEffect(() => {
    const stopDevices = keepDevicesLive();
    const stopEvents = startEvents();
    const stopExpiry = keepExpiry(session);
    const stopCalls = keepRpcCalls();
    return () => {
      stopCalls();
      clearRpcCalls();
      stopExpiry();
      stopEvents();
      stopDevices();
      clearDevices();
    };
  }, [session.login]);
  return (
    <div class="shell">
      <a class="skip" href="#main">Skip to the page</a>
      <header class="top">
        <Link to="/devices" class="brand" aria-label="Sallyport, all devices">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <path d="M4 29V13a12 12 0 0 1 24 0v16h-6V15a6 6 0 0 0-12 0v14z" />
          </svg>
          <span>{session.console.installation || "Sallyport"}</span>
        </Link>
        <Search />
        <LinkState />
        <Person session={session} />
      </header>
      <nav class="rail" aria-label="Pages">
        {rail.map(([to, title]) => (
          <Link key={to} to={to} aria-current={path === to || path.startsWith(`${to}/`) ? "page" : undefined}>
            {title}
          </Link>
        ))}
      </nav>
      <main id="main">
        <ExpiryBanner />
        {children}
      </main>
      <Announcements />
    </div>
  );
}

// On the device page it filters as one types; elsewhere Enter leads there, or straight to the only match.
function Search() {
  const place = usePlace();
  const onDevices = place.path === "/devices";
  const shown = onDevices ? (place.query.get("q") ?? "") : "";
  const [text, setText] = useState(shown);
  const input = useRef<HTMLInputElement>(null);
  // While one types, the field leads and the address follows; a letter that comes late must not take back the next ones.
  useEffect(() => {
    if (document.activeElement !== input.current) setText(shown);
  }, [shown, onDevices]);
  const onInput = (value: string): void => {
    setText(value);
    if (onDevices) go(withQuery(place, { q: value }), "replace");
  };
  const onSubmit = (event: Event): void => {
    event.preventDefault();
    const found = [...fleetStore.value.byKey.values()].filter((device) => searchMatches(device, text));
    const only = found.length === 1 ? found[0]?.name : null;
    if (only && text) go(`/devices/${only}`);
    else if (!onDevices) go(`/devices${text ? `?q=${encodeURIComponent(text)}` : ""}`);
    input.current?.blur();
  };
  return (
    <form class="search" role="search" onSubmit={onSubmit}>
      <input ref={input} type="search" data-search aria-label="Search devices" placeholder="Serial id, alias, name or site"
        aria-keyshortcuts="/" value={text} onInput={(event) => onInput(event.currentTarget.value)} />
      <kbd aria-hidden="true">/</kbd>
    </form>
  );
}

function LinkState() {
  const link = useStore(linkStore);
  return (
    <span class="link-state" title={link === "live" ? "Changes appear as they happen" : "What is shown may be old"}>
      {link === "live" ? (
        <Mark tone="good" shape="disc">Live</Mark>
      ) : link === "lost" ? (
        <Mark tone="warning" shape="triangle">Reconnecting</Mark>
      ) : (
        <Mark tone="quiet" shape="ring">Connecting</Mark>
      )}
    </span>
  );
}

function Person({ session }: { session: Session }) {
  const act = useAct();
  useEffect(() => {
    if (act.problem) announce(`Not logged out: ${act.problem.message}`);
  }, [act.problem]);
  return (
    <div class="person">
      <span class="who" title={`Role ${session.role}${session.tenant ? `, tenant ${session.tenant}` : ""}`}>
        <strong>{session.login}</strong> <span class="muted">{session.tenant || "all tenants"} · {session.role}</span>
      </span>
      <button type="button" disabled={act.busy} onClick={() => act.run(logout)}>Log out</button>
    </div>
  );
}
