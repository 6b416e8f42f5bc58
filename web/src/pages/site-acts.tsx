// Disabling, enabling and revoking a factory: what will happen is asked first and shown, then the act.
import { useEffect, useState } from "preact/hooks";
import * as api from "../api/calls";
import type { Site, SiteChange } from "../api/types";
import { useLoad } from "../state/load";
import { announce } from "../ui/announce";
import { Dialog, StepUp, useDangerousAct } from "../ui/dialog";
import { count, counted } from "../ui/format";
import { ProblemNote } from "../ui/parts";

const titles: Record<api.SiteAct, string> = { disable: "Disable", enable: "Enable", revoke: "Revoke" };
const done: Record<api.SiteAct, string> = { disable: "disabled", enable: "enabled", revoke: "revoked" };

export function SiteActs({ site, onChanged }: { site: Site; onChanged: () => void }) {
  const [asking, setAsking] = useState<api.SiteAct | null>(null);
  const acts: api.SiteAct[] = site.state === "active" ? ["disable", "revoke"] : site.state === "disabled" ? ["enable", "revoke"] : site.state === "revoked-except" ? ["revoke"] : [];
  if (acts.length === 0) return null;
  return (
    <p class="site-acts">
      {acts.map((act) => (
        <button key={act} type="button" class={act === "enable" ? "" : "danger"} aria-label={`${titles[act]} … ${site.name}`} onClick={() => setAsking(act)}>
          {titles[act]} …
        </button>
      ))}
      {asking && <ChangeDialog site={site} act={asking} onClose={() => setAsking(null)} onChanged={onChanged} />}
    </p>
  );
}

interface ChangeProps {
  site: Site;
  act: api.SiteAct;
  onClose: () => void;
  onChanged: () => void;
}

function ChangeDialog({ site, act, onClose, onChanged }: ChangeProps) {
  const [keep, setKeep] = useState(false);
  const [keptUntil, setKeptUntil] = useState(site.kept_until ?? site.issued);
  const [typed, setTyped] = useState("");
  const change = useDangerousAct();
  const wanted = act === "revoke" && keep ? keptUntil : null;
  const isEntry = wanted === null || (Number.isInteger(wanted) && wanted >= 1 && wanted <= site.issued);
  const except = useSettled(isEntry ? wanted : null);
  const preview = useLoad(`${site.name} ${act} ${except}`, () => api.changeSite(site.name, act, except));
  const plan = isEntry && except === wanted ? preview.value : null; // a plan belongs to the numbers that were asked for
  const submit = (event: Event): void => {
    event.preventDefault();
    change.run(async () => {
      await api.changeSite(site.name, act, except, typed.trim());
      announce(`Site ${site.name} is ${done[act]}`);
      onChanged();
      onClose();
    });
  };
  return (
    <Dialog title={`${titles[act]} the site ${site.name}?`} onClose={onClose}>
      <form onSubmit={submit}>
        {act === "revoke" && site.issued > 0 && <Kept site={site} keep={keep} onKeep={setKeep} until={keptUntil} onUntil={setKeptUntil} />}
        <div aria-live="polite">
          {!isEntry ? <p class="note">Which of them are kept? Want an entry from 1 to {count(site.issued)}.</p> : plan ? <Consequences plan={plan} /> : preview.problem ? <ProblemNote problem={preview.problem} retry={preview.reload} /> : <p class="loading">Working out what will happen …</p>}
        </div>
        <label class="field">
          <span>Type the site’s name <strong>{site.name}</strong> to confirm</span>
          <input value={typed} autoComplete="off" autoCapitalize="none" spellcheck={false} disabled={change.asking}
            onInput={(event) => setTyped(event.currentTarget.value)} />
        </label>
        {!change.asking && (
          <div class="dialog-acts">
            <button type="button" onClick={onClose}>Leave it as it is</button>
            <button type="submit" class={act === "enable" ? "primary" : "danger"} disabled={change.busy || !plan || typed.trim() !== site.name}>
              {change.busy ? "Changing …" : titles[act]}
            </button>
          </div>
        )}
      </form>
      <StepUp act={change} />
    </Dialog>
  );
}

const settleMs = 300;

// A number as it is once nobody types any more.
function useSettled(value: number | null): number | null {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = window.setTimeout(() => setSettled(value), settleMs);
    return () => window.clearTimeout(timer);
  }, [value]);
  return settled;
}

interface KeptProps {
  site: Site;
  keep: boolean;
  onKeep: (keep: boolean) => void;
  until: number;
  onUntil: (until: number) => void;
}

function Kept({ site, keep, onKeep, until, onUntil }: KeptProps) {
  return (
    <fieldset class="kept">
      <legend>Devices made before</legend>
      <label class="check"><input type="radio" name="keep" checked={!keep} onChange={() => onKeep(false)} /> none is kept</label>
      <label class="check">
        <input type="radio" name="keep" checked={keep} onChange={() => onKeep(true)} /> keep those of ledger entries 1 to
        <input type="number" class="entry" aria-label="Last entry whose device is kept" min={1} max={site.issued} value={until} disabled={!keep}
          onInput={(event) => onUntil(event.currentTarget.valueAsNumber)} />
      </label>
      <small class="muted">Entry {count(site.issued)} is the last accepted one.</small>
    </fieldset>
  );
}

function Consequences({ plan }: { plan: SiteChange }) {
  const { devices, certificates } = plan;
  const revoked = certificates.factory + certificates.device;
  return (
    <ul class="consequences">
      <li>{counted(devices.kept, "device")} in the field {devices.kept === 1 ? "stays" : "stay"} as {devices.kept === 1 ? "it is" : "they are"}.</li>
      <li>
        {devices.cut === 0 ? "No device is cut off." : `${counted(devices.cut, "device")} ${devices.cut === 1 ? "is" : "are"} cut off, ${count(devices.cut_online)} of them online now.`}
      </li>
      <li>On the shelf: {count(devices.may_enrol)} may still enrol, {count(devices.barred)} may not.</li>
      {revoked > 0 && <li>Revokes {counted(certificates.device, "certificate")} of devices and {count(certificates.factory)} of the factory.</li>}
      <li>{plan.live_sessions === 0 ? "No live session is cut." : `Cuts ${counted(plan.live_sessions, "live session")}.`}</li>
      <li>{plan.to === "disabled" || plan.to === "active" ? "It can be undone." : "It cannot be undone."}</li>
      {plan.to.startsWith("revoked") && !plan.ca_on_root_crl && (
        <li>
          Its CA is not on the root CRL.{" "}
          {devices.may_enrol > 0
            ? "Leave it so until those on the shelf have enrolled: after that they cannot."
            : <>The root’s part comes after this: <code>sallyport root crl --revoke SERIAL</code>, and the new list installed here.</>}
        </li>
      )}
    </ul>
  );
}
