// The tree of trust, how long each part of it lasts, and every certificate in it.
import * as api from "../api/calls";
import type { ExpiryReport, Pki } from "../api/types";
import { Link } from "../router";
import { readExpiry } from "../state/expiry";
import { useLoad } from "../state/load";
import { Left, Lifetime, stageTone } from "../ui/expiry";
import { counted } from "../ui/format";
import { Mark } from "../ui/mark";
import { Command, Expiry, Fact, Facts, Loading, PageHead, ProblemNote, Section, Time } from "../ui/parts";
import { WhatEnds } from "./pki-expiry";
import { LogPart } from "./pki-log";
import { CertificateSearch } from "./pki-search";
import { Replaced, Tree } from "./pki-tree";

const parts = [
  ["", "Authorities"],
  ["certificates", "Find a certificate"],
  ["log", "Transparency log"],
] as const;

export function PkiPage({ part }: { part: string }) {
  return (
    <>
      <PageHead title="PKI" lead="The root is offline; everything below it is issued, counted and revocable." />
      <nav class="tabs" aria-label="Parts of the PKI">
        {parts.map(([key, title]) => (
          <Link key={key} to={key ? `/pki/${key}` : "/pki"} aria-current={key === part ? "page" : undefined}>{title}</Link>
        ))}
      </nav>
      <Part part={part} />
    </>
  );
}

function Part({ part }: { part: string }) {
  switch (part) {
    case "":
      return <Authorities />;
    case "certificates":
      return <CertificateSearch />;
    case "log":
      return <LogPart />;
    default:
      return <p class="muted">There is no such part of the PKI.</p>;
  }
}

function Authorities() {
  const { value, problem, reload } = useLoad("pki", api.getPki);
  const expiry = useLoad("expiry", readExpiry);
  return (
    <>
      <ProblemNote problem={problem ?? expiry.problem} retry={problem ? reload : expiry.reload} />
      {!value && !problem && <Loading what="the certificate authorities" />}
      {expiry.value && <WhatEnds report={expiry.value} />}
      {value && (
        <>
          <Tree pki={value} expiry={expiry.value} />
          <Replaced pki={value} />
          <RootCrl crl={value.root_crl} expiry={expiry.value} />
          <OcspSigners signers={value.ocsp_signers} expiry={expiry.value} />
        </>
      )}
    </>
  );
}

function RootCrl({ crl, expiry }: { crl: Pki["root_crl"]; expiry: ExpiryReport | null }) {
  if (!crl) {
    return (
      <Section title="Root CRL" id="crl">
        <p class="note bad"><Mark tone="bad" shape="cross">No root CRL</Mark> Devices refuse every server without one. On the root’s machine:</p>
        <p><Command text="sallyport root crl" /></p>
      </Section>
    );
  }
  const link = expiry?.links.find((one) => one.kind === "root-crl" && one.name === "root");
  return (
    <Section title="Root CRL" id="crl">
      <div class="life"><Lifetime from={crl.this_update} to={crl.next_update} tone={link ? stageTone[link.stage] : "accent"} /></div>
      <Facts>
        <Fact name="Number"><span class="number">{crl.number}</span></Fact>
        <Fact name="Made"><Time iso={crl.this_update} /></Fact>
        <Fact name="Next is due">{link ? <Left link={link} /> : <Expiry iso={crl.next_update} />}</Fact>
        <Fact name="Lists">{crl.revoked === 0 ? "no CA" : counted(crl.revoked, "revoked CA", "revoked CAs")}</Fact>
      </Facts>
      {link && link.stage !== "in-time" && (
        <p class="note">
          {link.stage === "ended" ? "It is overdue: devices refuse to talk to servers." : "Two thirds of its life are over."} A new one is a minute’s work on the root’s
          machine: <Command text="sallyport root crl" />
        </p>
      )}
    </Section>
  );
}

function OcspSigners({ signers, expiry }: { signers: Pki["ocsp_signers"]; expiry: ExpiryReport | null }) {
  const tone = (ca: string) => stageTone[expiry?.links.find((one) => one.kind === "ocsp-signer" && one.name === ca)?.stage ?? "in-time"];
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
                  <td class="bar-cell"><Lifetime from={one.not_before} to={one.not_after} tone={tone(one.ca)} /></td>
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
