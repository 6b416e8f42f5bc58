// Who is there decides what is shown: the login page at whatever address was asked for, or that address itself.
import { useEffect } from "preact/hooks";
import { AuditPage } from "./pages/audit";
import { ClaimPage } from "./pages/claim";
import { DevicePage } from "./pages/device";
import { DevicesPage } from "./pages/devices";
import { FleetPage } from "./pages/fleet";
import { LoginPage } from "./pages/login";
import { OpenPage } from "./pages/open";
import { PkiPage } from "./pages/pki";
import { RpcPage } from "./pages/rpc";
import { RpcNodePage } from "./pages/rpc-node";
import { SettingsPage } from "./pages/settings";
import { SitesPage } from "./pages/sites";
import { StatusPage } from "./pages/status";
import { go, Link, usePlace } from "./router";
import { loadSession, sessionStore } from "./state/session";
import { useStore } from "./state/store";
import { Empty, Loading, PageHead, ProblemNote } from "./ui/parts";
import { Shell } from "./ui/shell";

export function App() {
  const session = useStore(sessionStore);
  const place = usePlace();
  useEffect(() => void loadSession(), []);
  switch (session.status) {
    case "unknown":
      return <main class="lone"><Loading what="the session" /></main>;
    case "unreachable":
      return (
        <main class="lone">
          <ProblemNote problem={session.problem} retry={() => void loadSession()} />
        </main>
      );
    case "out":
      return <LoginPage ended={session.ended} />;
    case "in":
      if (place.path === "/open") return <OpenPage session={session.session} />;
      return (
        <Shell session={session.session}>
          <Page path={place.path} />
        </Shell>
      );
  }
}

function Page({ path }: { path: string }) {
  const [, page = "", ...rest] = path.split("/").map(decodeSegment);
  useEffect(() => {
    if (path === "/") go("/devices", "replace");
  }, [path]);
  switch (page) {
    case "":
      return null;
    case "devices":
      if (rest.length === 0) return <DevicesPage />;
      if (rest.length <= 2) return <DevicePage key={rest[0]} name={rest[0] ?? ""} tab={rest[1] ?? ""} />;
      break;
    case "claim":
      return <ClaimPage />;
    case "fleet":
      return <FleetPage />;
    case "sites":
      return <SitesPage />;
    case "pki":
      return <PkiPage part={rest[0] ?? ""} />;
    case "status":
      return <StatusPage />;
    case "rpc":
      if (rest.length === 0) return <RpcPage />;
      if (rest.length <= 2) return <RpcNodePage key={rest[0]} name={rest[0] ?? ""} tab={rest[1] ?? ""} />;
      break;
    case "audit":
      return <AuditPage />;
    case "settings":
      return <SettingsPage tab={rest[0] ?? ""} />;
  }
  return <NotFoundPage />;
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function NotFoundPage() {
  return (
    <>
      <PageHead title="No such page" />
      <Empty title="There is nothing at this address">
        <p>
          It may have been mistyped. All devices are under <Link to="/devices">Devices</Link>.
        </p>
      </Empty>
    </>
  );
}
