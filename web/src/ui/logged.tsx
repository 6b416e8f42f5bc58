// Whether a certificate is in the transparency log: asked for, and then computed here.
import * as api from "../api/calls";
import type { Certificate } from "../api/types";
import { useState } from "preact/hooks";
import { useAct } from "../state/load";
import { proveLogged, type Proven } from "../state/log-proof";
import { count } from "./format";
import { Mark } from "./mark";
import { Fingerprint, ProblemNote } from "./parts";

export function Logged({ certificate }: { certificate: Certificate }) {
  const [proven, setProven] = useState<Proven | null>(null);
  const act = useAct();
  const { pem } = certificate;
  if (!pem) return null;
  const prove = (): void =>
    act.run(async () => {
      const { proof } = await api.getLogProof(certificate.sha256);
      setProven(await proveLogged(pem, proof));
    });
  return (
    <>
      <button type="button" disabled={act.busy} onClick={prove} aria-label={`Prove that ${certificate.serial.slice(0, 8)} is in the log`}>
        Prove that it is logged
      </button>
      <div role="status" class="logged">
        {proven && (proven.holds ? (
          <>
            <Mark tone="good" shape="disc">{`Entry ${count(proven.index)} of a log of ${count(proven.size)}: the path computed here leads to its head`}</Mark>{" "}
            <Fingerprint hex={proven.root} what="root hash" />
          </>
        ) : (
          <Mark tone="bad" shape="cross">The proof does not lead to the head: keep this certificate, and have the log verified</Mark>
        ))}
      </div>
      <ProblemNote problem={act.problem} />
    </>
  );
}
