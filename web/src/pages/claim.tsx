import { useState } from "preact/hooks";
import * as api from "../api/calls";
import { go, Link, usePlace } from "../router";
import { putDevice } from "../state/devices";
import { useAct } from "../state/load";
import { may } from "../state/session";
import { announce } from "../ui/announce";
import { Command, PageHead, ProblemNote } from "../ui/parts";

export function ClaimPage() {
  const place = usePlace();
  const [serialId, setSerialId] = useState(place.query.get("serial") ?? "");
  const [code, setCode] = useState("");
  const [alias, setAlias] = useState("");
  const [site, setSite] = useState("");
  const act = useAct();
  const needsSite = act.problem?.name === "site-needed" || site !== "";
  const submit = (event: Event): void => {
    event.preventDefault();
    act.run(async () => {
      const device = await api.claimDevice({
        serial_id: serialId.trim().toLowerCase(),
        code: code.trim(),
        ...(alias.trim() ? { alias: alias.trim() } : {}),
        ...(site.trim() ? { site: site.trim() } : {}),
      });
      putDevice(device);
      announce(`${device.alias || device.serial_id} is yours`);
      go(`/devices/${device.name ?? ""}`);
    });
  };
  if (!may("operator")) {
    return (
      <>
        <PageHead title="Claim a device" />
        <p class="note">Operators and owners claim devices; your role may look.</p>
      </>
    );
  }
  return (
    <>
      <PageHead title="Claim a device" lead="The device shows its code on its display, on its local page, or by this command on it:" />
      <p><Command text="sallyport-agent claim-code" /></p>
      <form class="stack" onSubmit={submit}>
        <label class="field">
          Serial id
          <input name="serial_id" required maxLength={63} autoCapitalize="none" autoComplete="off" spellcheck={false}
            value={serialId} onInput={(event) => setSerialId(event.currentTarget.value)} />
        </label>
        <label class="field">
          Claim code
          <input name="code" class="code-input" required maxLength={64} autoComplete="off" spellcheck={false}
            value={code} onInput={(event) => setCode(event.currentTarget.value)} />
        </label>
        <label class="field">
          Alias, if you like
          <input name="alias" maxLength={120} autoComplete="off" value={alias} onInput={(event) => setAlias(event.currentTarget.value)} />
        </label>
        {needsSite && (
          <label class="field">
            Site, where two have the same serial id
            <input name="site" maxLength={63} autoCapitalize="none" autoComplete="off" value={site} onInput={(event) => setSite(event.currentTarget.value)} />
          </label>
        )}
        <ProblemNote problem={act.problem} />
        <div>
          <button type="submit" class="primary" disabled={act.busy}>{act.busy ? "Claiming …" : "Claim"}</button>{" "}
          <Link to="/devices">Back to the devices</Link>
        </div>
        <p class="muted">A code works once, and there are ten tries an hour. Remote access stays off until you switch it on.</p>
      </form>
    </>
  );
}
