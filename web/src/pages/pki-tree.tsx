// The tree of CAs: what each is, how long it lasts, what it has issued and how much of that is alive.
import type { Authority, ExpiryLink, ExpiryReport, Pki } from "../api/types";
import { Left, Lifetime, stageTone } from "../ui/expiry";
import { count, counted } from "../ui/format";
import { Mark } from "../ui/mark";
import { Expiry, Fact, Facts, Fingerprint, Section, Time } from "../ui/parts";

interface Known {
  pki: Pki;
  expiry: ExpiryReport | null;
}

const sitePrefix = "local-ca/";
const fewSites = 12;

export function Tree({ pki, expiry }: Known) {
  return (
    <Section title="Certificate authorities" id="tree">
      <Branch known={{ pki, expiry }} parent={null} />
    </Section>
  );
}

// What younger ones have replaced: they issue nothing, and what they issued is still good.
export function Replaced({ pki }: { pki: Pki }) {
  if (pki.replaced.length === 0) return null;
  return (
    <Section title="Replaced" id="replaced">
      <div class="scroll-x" tabIndex={0} role="group" aria-label="Replaced CAs">
        <table>
          <thead><tr><th scope="col">CA</th><th scope="col">Serial number</th><th scope="col">Ends</th><th scope="col">State</th></tr></thead>
          <tbody>
            {pki.replaced.map((one) => (
              <tr key={one.serial}>
                <th scope="row">{one.name}</th>
                <td><code>{one.serial}</code></td>
                <td><Time iso={one.not_after} /></td>
                <td>{one.revoked ? <Mark tone="bad" shape="cross">revoked</Mark> : "issues nothing any more"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Section>
  );
}

// Factories come last and together: there may be many of them.
function Branch({ known, parent }: { known: Known; parent: string | null }) {
  const here = known.pki.authorities.filter((one) => one.parent === parent);
  const sites = here.filter((one) => one.name.startsWith(sitePrefix));
  const others = here.filter((one) => !one.name.startsWith(sitePrefix));
  if (here.length === 0) return null;
  return (
    <ul class="tree">
      {others.map((one) => <Twig key={one.name} known={known} authority={one} />)}
      {sites.length > 0 && (
        <li>
          <details open={sites.length <= fewSites}>
            <summary class="tree-group">
              <strong>Factories</strong>
              <span class="muted">{counted(sites.length, "site CA")}, {counted(sum(sites), "certificate")} alive</span>
            </summary>
            <ul class="tree">{sites.map((one) => <Twig key={one.name} known={known} authority={one} />)}</ul>
          </details>
        </li>
      )}
    </ul>
  );
}

const sum = (authorities: readonly Authority[]): number => authorities.reduce((total, one) => total + one.alive, 0);

function Twig({ known, authority }: { known: Known; authority: Authority }) {
  return (
    <li>
      <Node known={known} authority={authority} />
      {authority.name !== authority.parent && <Branch known={known} parent={authority.name} />}
    </li>
  );
}

function linkOf(expiry: ExpiryReport | null, name: string): ExpiryLink | undefined {
  const site = name.startsWith(sitePrefix) ? name.slice(sitePrefix.length) : null;
  return expiry?.links.find((link) =>
    site === null ? (link.kind === "ca" || link.kind === "root") && link.name === name : link.kind === "site-ca" && link.name === site,
  );
}

const places: Record<Authority["key_place"], string> = {
  offline: "offline, under a passphrase or in a token",
  signer: "in the signer of this installation",
  factory: "at the factory",
};

function Node({ known, authority }: { known: Known; authority: Authority }) {
  const link = linkOf(known.expiry, authority.name);
  const signer = known.pki.ocsp_signers.find((one) => one.ca === authority.name);
  return (
    <details>
      <summary>
        <strong>{authority.name}</strong>
        <Lifetime from={authority.not_before} to={authority.not_after} tone={link ? stageTone[link.stage] : "accent"} />
        <span class="node-state"><State authority={authority} link={link} /></span>
        <span class="muted number">{count(authority.alive)} alive of {count(authority.issued + authority.revoked)} issued</span>
      </summary>
      <Facts>
        <Fact name="Subject">{authority.subject}</Fact>
        <Fact name="Key">{authority.key_algorithm}, {places[authority.key_place]}</Fact>
        <Fact name="Serial number"><Fingerprint hex={authority.serial} what="serial number" /></Fact>
        <Fact name="Fingerprint"><Fingerprint hex={authority.sha256} what="fingerprint" /></Fact>
        <Fact name="Valid"><Time iso={authority.not_before} /> to <Time iso={authority.not_after} /></Fact>
        <Fact name="Certificates">
          {count(authority.alive)} alive, {count(authority.issued - authority.alive)} expired, {count(authority.revoked)} revoked
        </Fact>
        {signer && <Fact name="OCSP signer">ends <Time iso={signer.not_after} />, serial number <Fingerprint hex={signer.serial} what="serial number of the OCSP signer" /></Fact>}
      </Facts>
    </details>
  );
}

function State({ authority, link }: { authority: Authority; link: ExpiryLink | undefined }) {
  if (authority.state !== "valid") return <Mark tone="bad" shape="cross">{authority.state === "revoked" ? "Revoked" : "Expired"}</Mark>;
  return link ? <Left link={link} /> : <Expiry iso={authority.not_after} />;
}
