import * as api from "../api/calls";
import type { Certificate } from "../api/types";
import { useLoad } from "../state/load";
import { localTime } from "../ui/format";
import { Mark } from "../ui/mark";
import { Expiry, Fact, Facts, Fingerprint, Loading, ProblemNote, Time } from "../ui/parts";

const kinds: Record<Certificate["kind"], string> = {
  factory: "Factory certificate",
  operational: "Operational certificate",
  web: "Web certificate",
};

export function CertificatesTab({ name }: { name: string }) {
  const { value, problem, reload } = useLoad(name, () => api.listCertificates(name));
  if (problem) return <ProblemNote problem={problem} retry={reload} />;
  if (!value) return <Loading what="certificates" />;
  return (
    <ol class="timeline" aria-label="Certificates, newest first">
      {value.certificates.map((one) => (
        <li key={one.sha256} class={one.state === "revoked" ? "over" : ""}>
          <details open={one === value.certificates[0]}>
            <summary>
              <strong>{kinds[one.kind]}</strong> <Validity certificate={one} />
              <span class="muted">from {one.ca}, <Time iso={one.not_before} /></span>
            </summary>
            <Facts>
              <Fact name="Valid">{localTime(one.not_before)} to {localTime(one.not_after)}</Fact>
              <Fact name="Subject">{one.subject}</Fact>
              <Fact name="Serial number"><Fingerprint hex={one.serial} what="serial number" /></Fact>
              <Fact name="Key">{one.key_algorithm}</Fact>
              <Fact name="Key fingerprint"><Fingerprint hex={one.spki_sha256} what="key fingerprint" /></Fact>
              <Fact name="Fingerprint"><Fingerprint hex={one.sha256} what="fingerprint" /></Fact>
              {one.revoked_at && <Fact name="Revoked"><Time iso={one.revoked_at} />{one.reason && `, ${one.reason}`}</Fact>}
            </Facts>
          </details>
        </li>
      ))}
    </ol>
  );
}

function Validity({ certificate }: { certificate: Certificate }) {
  if (certificate.state === "revoked") return <Mark tone="bad" shape="cross">Revoked</Mark>;
  return <Expiry iso={certificate.not_after} />;
}
