// The tree of trust, and how long each part of it lasts.
import * as api from "../api/calls";
import type { Authority, Pki } from "../api/types";
import { now } from "../state/clock";
import { useLoad } from "../state/load";
import { count, counted } from "../ui/format";
import { Mark, type Tone } from "../ui/mark";
import { Bar, Command, Expiry, Fact, Facts, Fingerprint, Loading, PageHead, ProblemNote, Section, Time } from "../ui/parts";

export function PkiPage() {
  const { value, problem, reload } = useLoad("pki", api.getPki);
  return (
    <>
      <PageHead title="PKI" lead="The root is offline; everything below it is issued, counted and revocable." />
      <ProblemNote problem={problem} retry={reload} />
      {!value && !problem && <Loading what="the certificate authorities" />}
      {value && (
        <>
          <Section title="Certificate authorities" id="tree"><Branch authorities={value.authorities} parent={null} /></Section>
          <RootCrl crl={value.root_crl} />
          <OcspSigners signers={value.ocsp_signers} />
        </>
      )}
    </>
  );
}

function Branch({ authorities, parent }: { authorities: readonly Authority[]; parent: string | null }) {
  const here = authorities.filter((one) => one.parent === parent);
  if (here.length === 0) return null;
  return (
    <ul class="tree">
      {here.map((one) => (
        <li key={one.name}>
          <Node authority={one} />
          {one.name !== parent && <Branch authorities={authorities} parent={one.name} />}
        </li>
      ))}
    </ul>
  );
}

function Node({ authority }: { authority: Authority }) {
  return (
    <details>
      <summary>
        <strong>{authority.name}</strong>
        <Lifetime from={authority.not_before} to={authority.not_after} />
        <span class="node-state">
          {authority.state === "valid" ? <Expiry iso={authority.not_after} /> : <Mark tone="bad" shape="cross">{authority.state}</Mark>}
        </span>
        <span class="muted number">{count(authority.issued)} issued, {count(authority.revoked)} revoked</span>
      </summary>
      <Facts>
        <Fact name="Subject">{authority.subject}</Fact>
        <Fact name="Key">{authority.key_algorithm}</Fact>
        <Fact name="Serial number"><Fingerprint hex={authority.serial} what="serial number" /></Fact>
        <Fact name="Fingerprint"><Fingerprint hex={authority.sha256} what="fingerprint" /></Fact>
        <Fact name="Valid"><Time iso={authority.not_before} /> to <Time iso={authority.not_after} /></Fact>
      </Facts>
    </details>
  );
}

// How much of a lifetime is used: quiet, then amber from two thirds on, then red in the last tenth.
function Lifetime({ from, to }: { from: string; to: string }) {
  const start = Date.parse(from);
  const whole = Date.parse(to) - start;
  const used = now() - start;
  const share = whole > 0 ? used / whole : 1;
  const tone: Tone = share > 0.9 ? "bad" : share > 2 / 3 ? "warning" : "accent";
  return <Bar value={used} of={whole} tone={tone} label={`${Math.round(share * 100)} % of its lifetime used`} />;
}

function RootCrl({ crl }: { crl: Pki["root_crl"] }) {
  if (!crl) {
    return (
      <Section title="Root CRL" id="crl">
        <p class="note bad"><Mark tone="bad" shape="cross">No root CRL</Mark> Devices refuse every server without one. On the root’s machine:</p>
        <p><Command text="sallyport root crl" /></p>
      </Section>
    );
  }
  const whole = Date.parse(crl.next_update) - Date.parse(crl.this_update);
  const late = now() - Date.parse(crl.this_update) > (whole * 2) / 3;
  return (
    <Section title="Root CRL" id="crl">
      <div class="life"><Lifetime from={crl.this_update} to={crl.next_update} /></div>
      <Facts>
        <Fact name="Number"><span class="number">{crl.number}</span></Fact>
        <Fact name="Made"><Time iso={crl.this_update} /></Fact>
        <Fact name="Next is due"><Expiry iso={crl.next_update} /></Fact>
        <Fact name="Lists">{crl.revoked === 0 ? "no CA" : counted(crl.revoked, "revoked CA", "revoked CAs")}</Fact>
      </Facts>
      {late && <p class="note">Two thirds of its life are over. A new one is a minute’s work on the root’s machine: <Command text="sallyport root crl" /></p>}
    </Section>
  );
}

function OcspSigners({ signers }: { signers: Pki["ocsp_signers"] }) {
  return (
    <Section title="OCSP signers" id="ocsp">
      {signers.length === 0 ? <p class="note bad"><Mark tone="bad" shape="cross">None</Mark> The status service cannot answer.</p> : (
        <div class="scroll-x" tabIndex={0} role="group" aria-label="OCSP signers">
          <table>
            <thead><tr><th scope="col">For</th><th scope="col">Lifetime</th><th scope="col">Rotates before</th><th scope="col">Made</th></tr></thead>
            <tbody>
              {signers.map((one) => (
                <tr key={`${one.ca} ${one.serial}`}>
                  <th scope="row">{one.ca}</th>
                  <td class="bar-cell"><Lifetime from={one.not_before} to={one.not_after} /></td>
                  <td><Time iso={one.not_after} /></td>
                  <td><Time iso={one.not_before} /></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <p class="muted">They live 20 to 30 days and rotate by themselves.</p>
    </Section>
  );
}
