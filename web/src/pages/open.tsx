// Opens a service of a device in this window: obtains the access grant and submits its entry secret, top-level, to the
// device itself, inside the TLS that ends there. Nothing is granted before the person has clicked: either on a link of
// this console, or here.
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api/calls";
import { asProblem, Problem } from "../api/http";
import type { Grant, Session } from "../api/types";
import { Link, usePlace } from "../router";
import { Loading, ProblemNote } from "../ui/parts";

// A grant lives for five minutes and is renewed in the second half of them.
const renewEvery = 60_000;

type Stage = { at: "ask" } | { at: "granting" } | { at: "submitting"; grant: Grant } | { at: "failed"; problem: Problem };

const remedies: Record<string, string> = {
  "device-offline": "It has no connection to the relay. It comes back by itself when its network does.",
  "remote-access-off": "An operator can switch remote access on, on the page of the device.",
  "device-switch-off": "Somebody at the device has to switch remote access on; that switch wins over the console’s.",
  "service-unknown": "The device offers other services, or its agent has just been changed.",
  "service-not-http": "Use the command on the page of the device: sallyport connect.",
};

export function OpenPage({ session }: { session: Session }) {
  const { query } = usePlace();
  const device = query.get("device") ?? "";
  const service = query.get("service") ?? "";
  const direct = query.get("direct");
  const port = portOf(direct);
  const [stage, setStage] = useState<Stage>(cameFromConsole() ? { at: "granting" } : { at: "ask" });
  const started = useRef(false);
  useEffect(() => {
    document.title = `Opening ${service} · Sallyport`;
  }, [service]);
  useEffect(() => {
    if (stage.at !== "granting" || started.current) return;
    started.current = true;
    if (direct !== null && port === null) return setStage({ at: "failed", problem: noPort(direct) });
    api.createGrant(device, service, direct !== null).then(
      (grant) => setStage(checked(grant, device, session)),
      (error: unknown) => setStage({ at: "failed", problem: asProblem(error) }),
    );
  }, [stage]);
  const again = (): void => {
    started.current = false;
    setStage({ at: "granting" });
  };
  return (
    <main class="lone">
      <div class="opening">
        <h1>Opening {service || "a service"}</h1>
        <p class="muted">{device ? `of device ${device}` : ""}{direct !== null && `, directly at its port ${direct}`}</p>
        {stage.at === "ask" && (
          <>
            <p>This address opens a connection to the device under your name.</p>
            <button type="button" class="primary" onClick={again}>Open {service}</button>
          </>
        )}
        {stage.at === "granting" && <Loading what="the access grant" />}
        {stage.at === "submitting" && (port === null ? <Entry grant={stage.grant} /> : <DirectEntry grant={stage.grant} port={port} />)}
        {stage.at === "failed" && (
          <>
            <ProblemNote problem={stage.problem} retry={again} />
            {remedies[stage.problem.kind] && <p>{remedies[stage.problem.kind]}</p>}
          </>
        )}
        {device && <p><Link to={`/devices/${encodeURIComponent(device)}`}>To the page of the device</Link></p>}
      </div>
    </main>
  );
}

// Another site can lead a person to this address; only our own links open without a further click.
function cameFromConsole(): boolean {
  try {
    return new URL(document.referrer).origin === window.location.origin;
  } catch {
    return false;
  }
}

// The secret goes to the device that was asked for, under the zone of this installation, and nowhere else.
function checked(grant: Grant, device: string, session: Session): Stage {
  const { zone, public_port: port } = session.console;
  const host = `${grant.label}.${device}.${zone}`;
  const wanted = new URL(`https://${host}:${port}/.sallyport/enter`).href;
  if (/^[a-z2-7]{16}$/.test(grant.label) && grant.host === host && URL.canParse(grant.url) && new URL(grant.url).href === wanted) {
    return { at: "submitting", grant };
  }
  const detail = `The console answered with an address that is not this device’s: found ${grant.url}, want ${wanted}. Nothing was sent.`;
  return { at: "failed", problem: new Problem("foreign-address", "Wrong address in the grant", 0, detail, "", null) };
}

function portOf(text: string | null): number | null {
  const port = Number(text);
  return text !== null && /^[1-9][0-9]{0,4}$/.test(text) && port <= 65_535 ? port : null;
}

function noPort(text: string): Problem {
  return new Problem("invalid-request", "Not a port", 0, `Found direct=${text}, want a port of the device: 1 to 65535. Nothing was asked for.`, "", null);
}

function Entry({ grant }: { grant: Grant }) {
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => form.current?.submit(), []);
  return (
    <form ref={form} method="post" action={grant.url} encType="application/x-www-form-urlencoded">
      <input type="hidden" name="secret" value={grant.secret} />
      <Loading what="the device" />
      <button type="submit">Go on by hand</button>
    </form>
  );
}

// To a port of the device itself: the form brings it the grant, which the relay would have brought. The relay sees
// nothing of the session either, so this page says for as long as it is there that it is used.
function DirectEntry({ grant, port }: { grant: Grant; port: number }) {
  const [entered, setEntered] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    if (!entered) return;
    const renew = (): void => {
      api.renewSession(grant.grant_id).then(() => setProblem(null), (error: unknown) => setProblem(asProblem(error)));
    };
    const timer = window.setInterval(renew, renewEvery);
    return () => window.clearInterval(timer);
  }, [entered]);
  return (
    <form method="post" action={`https://${grant.host}:${port}/.sallyport/enter`} encType="application/x-www-form-urlencoded" target="_blank" rel="noopener"
      onSubmit={() => setEntered(true)}>
      <input type="hidden" name="secret" value={grant.secret} />
      <input type="hidden" name="grant" value={grant.grant} />
      {entered ? (
        <p>Opened in another tab. Leave this one open: the session goes on while it is there, and five minutes longer.</p>
      ) : (
        <button type="submit" class="primary">Go to the device at port {port}</button>
      )}
      {problem && <ProblemNote problem={problem} />}
    </form>
  );
}
