// Everything that this device was ever given: factory, then operational and web, each with its end.
import * as api from "../api/calls";
import type { Certificate } from "../api/types";
import { useLoad } from "../state/load";
import { CertificateFacts, kindOf, Validity } from "../ui/certificate";
import { counted } from "../ui/format";
import { Empty, Loading, ProblemNote, Time } from "../ui/parts";

export function CertificatesTab({ name }: { name: string }) {
  const { value, problem, reload } = useLoad(name, () => api.listCertificates(name));
  if (problem) return <ProblemNote problem={problem} retry={reload} />;
  if (!value) return <Loading what="certificates" />;
  if (value.certificates.length === 0) {
    return (
      <Empty title="No certificate yet">
        <p>Its factory certificate comes with the site’s ledger, the operational and web certificates at its first connection.</p>
      </Empty>
    );
  }
  return (
    <>
      <p class="muted below-tabs">{summary(value.certificates)}</p>
      <ol class="timeline" aria-label="Certificates, newest first">
        {value.certificates.map((one) => (
          <li key={one.sha256} class={one.state === "revoked" ? "over" : ""}>
            <details open={one === value.certificates[0]}>
              <summary>
                <strong>{kindOf(one)}</strong> <Validity certificate={one} />
                <span class="muted">from {one.ca}, <Time iso={one.not_before} /></span>
              </summary>
              <CertificateFacts certificate={one} />
            </details>
          </li>
        ))}
      </ol>
    </>
  );
}

function summary(certificates: readonly Certificate[]): string {
  const revoked = certificates.filter((one) => one.state === "revoked").length;
  return `${counted(certificates.length, "certificate")}, ${revoked === 0 ? "none revoked" : `${revoked} revoked`}. Every key was made on the device.`;
}
