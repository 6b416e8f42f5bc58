// Opens a service of a device in this window: obtains the access grant and submits its entry secret, top-level, to the
// device itself, inside the TLS that ends there. Nothing is granted before the person has clicked: either on a link of
// this console, or here.
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api/calls";
import { asProblem, Problem } from "../api/http";
import type { Grant, Session } from "../api/types";
import { Link, usePlace } from "../router";
import { Loading, ProblemNote } from "../ui/parts";

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
  const [stage, setStage] = useState<Stage>(cameFromConsole() ? { at: "granting" } : { at: "ask" });
  const started = useRef(false);
  useEffect(() => {
    document.title = `Opening ${service} · Sallyport`;
  }, [service]);
  useEffect(() => {
    if (stage.at !== "granting" || started.current) return;
    started.current = true;
    api.createGrant(device, service).then(
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
        <p class="muted">{device ? `of device ${device}` : ""}</p>
        {stage.at === "ask" && (
          <>
            <p>This address opens a connection to the device under your name.</p>
            <button type="button" class="primary" onClick={again}>Open {service}</button>
          </>
        )}
        {stage.at === "granting" && <Loading what="the access grant" />}
        {stage.at === "submitting" && <Entry grant={stage.grant} />}
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
  if (/^[a-z2-7]{16}$/.test(grant.label) && URL.canParse(grant.url) && new URL(grant.url).href === wanted) {
    return { at: "submitting", grant };
  }
  const detail = `The console answered with an address that is not this device’s: found ${grant.url}, want ${wanted}. Nothing was sent.`;
  return { at: "failed", problem: new Problem("foreign-address", "Wrong address in the grant", 0, detail, "", null) };
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
