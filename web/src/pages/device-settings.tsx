import { useState } from "preact/hooks";
import * as api from "../api/calls";
import type { Device, RevocationPreview } from "../api/types";
import { putDevice } from "../state/devices";
import { useAct } from "../state/load";
import { may } from "../state/session";
import { announce } from "../ui/announce";
import { Dialog, StepUp, useDangerousAct } from "../ui/dialog";
import { counted } from "../ui/format";
import { ProblemNote, Section } from "../ui/parts";
import { displayName } from "./device-filter";

export function SettingsTab({ device, name }: { device: Device; name: string }) {
  if (!may("operator")) return <p class="note">Operators and owners change the settings of a device; your role may look.</p>;
  return (
    <>
      <Alias device={device} name={name} />
      <Suspension device={device} name={name} />
      {may("owner") && <Revocation device={device} name={name} />}
    </>
  );
}

const maxAliasBytes = 120;

function Alias({ device, name }: { device: Device; name: string }) {
  const [alias, setAlias] = useState(device.alias);
  const act = useAct();
  const tooLong = new TextEncoder().encode(alias.trim()).length > maxAliasBytes;
  const submit = (event: Event): void => {
    event.preventDefault();
    act.run(async () => {
      putDevice(await api.setAlias(name, alias.trim()));
      announce("Alias saved");
    });
  };
  return (
    <Section title="Alias" id="alias">
      <form class="inline-form" onSubmit={submit}>
        <label class="field">
          What people call this device
          <input value={alias} maxLength={maxAliasBytes} onInput={(event) => setAlias(event.currentTarget.value)} />
        </label>
        <button type="submit" disabled={act.busy || tooLong || alias.trim() === device.alias}>Save</button>
      </form>
      {tooLong && <p class="note">At most {maxAliasBytes} bytes.</p>}
      <ProblemNote problem={act.problem} />
    </Section>
  );
}

function Suspension({ device, name }: { device: Device; name: string }) {
  const act = useAct();
  const change = (call: (name: string) => Promise<Device>, said: string): void =>
    act.run(async () => {
      putDevice(await call(name));
      announce(said);
    });
  if (device.state !== "claimed" && device.state !== "suspended") return null;
  const suspended = device.state === "suspended";
  return (
    <Section title="Suspend" id="suspend">
      <p>
        {suspended
          ? "The device is suspended: it has no connection and nobody can reach it. Resuming lets it come back as it was."
          : `Cuts its connection and ${counted(device.live_sessions, "live session")} at once, and keeps it out until it is resumed. Its certificates stay.`}
      </p>
      {suspended ? (
        <button type="button" disabled={act.busy} onClick={() => change(api.resumeDevice, "Resumed")}>Resume the device</button>
      ) : (
        <button type="button" disabled={act.busy} onClick={() => change(api.suspendDevice, "Suspended")}>Suspend the device</button>
      )}
      <ProblemNote problem={act.problem} />
    </Section>
  );
}

function Revocation({ device, name }: { device: Device; name: string }) {
  const [preview, setPreview] = useState<RevocationPreview | null>(null);
  const act = useAct();
  if (device.state === "revoked" || device.state === "retired") return null;
  return (
    <Section title="Revoke" id="revoke">
      <p>Ends the device’s identity: every certificate is revoked, every connection cut. For a device that is stolen or no longer trusted.</p>
      <button type="button" class="danger" disabled={act.busy} onClick={() => act.run(async () => setPreview(await api.previewRevocation(name)))}>
        Revoke …
      </button>
      <ProblemNote problem={act.problem} />
      {preview && <RevokeDialog device={device} name={name} preview={preview} onClose={() => setPreview(null)} />}
    </Section>
  );
}

interface RevokeProps {
  device: Device;
  name: string;
  preview: RevocationPreview;
  onClose: () => void;
}

function RevokeDialog({ device, name, preview, onClose }: RevokeProps) {
  const [typed, setTyped] = useState("");
  const act = useDangerousAct();
  const submit = (event: Event): void => {
    event.preventDefault();
    act.run(async () => {
      putDevice(await api.revokeDevice(name, typed.trim()));
      announce(`${displayName(device)} is revoked`);
      onClose();
    });
  };
  return (
    <Dialog title={`Revoke ${displayName(device)}?`} onClose={onClose}>
      <ul class="consequences">
        <li>{preview.live_sessions === 0 ? "No live session is open." : `Cuts ${counted(preview.live_sessions, "live session")}.`}</li>
        <li>Revokes {counted(preview.certificates, "certificate")}.</li>
        <li>{preview.online ? "Cuts its connection, which is up now." : "The device is offline; it is refused when it comes back."}</li>
        <li>{preview.can_return ? "The owner can re-open it later; it then has to enrol and be claimed again." : "It cannot come back."}</li>
      </ul>
      <form onSubmit={submit}>
        <label class="field">
          <span>Type the serial id <strong>{preview.serial_id}</strong> to confirm</span>
          <input value={typed} autoComplete="off" autoCapitalize="none" spellcheck={false} disabled={act.asking}
            onInput={(event) => setTyped(event.currentTarget.value)} />
        </label>
        {!act.asking && (
          <div class="dialog-acts">
            <button type="button" onClick={onClose}>Keep the device</button>
            <button type="submit" class="danger" disabled={act.busy || typed.trim() !== preview.serial_id}>
              {act.busy ? "Revoking …" : "Revoke"}
            </button>
          </div>
        )}
      </form>
      <StepUp act={act} />
    </Dialog>
  );
}
