// One certificate: its state in a line, everything about it below, the file to take away.
import type { Certificate } from "../api/types";
import { localTime } from "./format";
import { Logged } from "./logged";
import { Mark } from "./mark";
import { Expiry, Fact, Facts, Fingerprint, Time } from "./parts";

const kinds: Record<Certificate["kind"], string> = {
  ca: "CA certificate",
  factory: "Factory certificate",
  operational: "Operational certificate",
  web: "Web certificate",
  server: "Server certificate",
  role: "Internal certificate of a role",
  person: "Certificate of a person",
  control: "Signing certificate",
  "ocsp-signer": "OCSP signer",
};
export const kindOf = (certificate: Certificate): string => kinds[certificate.kind];

export function Validity({ certificate }: { certificate: Certificate }) {
  if (certificate.state === "revoked") return <Mark tone="bad" shape="cross">Revoked</Mark>;
  return <Expiry iso={certificate.not_after} />;
}

export function CertificateFacts({ certificate }: { certificate: Certificate }) {
  return (
    <>
      <Facts>
        <Fact name="Valid">{localTime(certificate.not_before)} to {localTime(certificate.not_after)}</Fact>
        <Fact name="Subject">{certificate.subject}</Fact>
        <Fact name="Serial number"><Fingerprint hex={certificate.serial} what="serial number" /></Fact>
        <Fact name="Key">{certificate.key_algorithm}</Fact>
        <Fact name="Key fingerprint"><Fingerprint hex={certificate.spki_sha256} what="key fingerprint" /></Fact>
        <Fact name="Fingerprint"><Fingerprint hex={certificate.sha256} what="fingerprint" /></Fact>
        {certificate.revoked_at && <Fact name="Revoked"><Time iso={certificate.revoked_at} />{certificate.reason && `, ${certificate.reason}`}</Fact>}
      </Facts>
      {certificate.pem && (
        <div class="certificate-acts">
          <button type="button" aria-label={`Download PEM of ${kindOf(certificate).toLowerCase()} ${certificate.serial.slice(0, 8)}`} onClick={() => download(certificate)}>
            Download PEM
          </button>
          <Logged certificate={certificate} />
        </div>
      )}
    </>
  );
}

function download(certificate: Certificate): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([certificate.pem ?? ""], { type: "application/x-pem-file" }));
  link.download = `${certificate.subject.replace(/[^A-Za-z0-9._-]/g, "_")}-${certificate.kind}-${certificate.serial.slice(0, 8)}.pem`;
  link.click();
  URL.revokeObjectURL(link.href);
}
