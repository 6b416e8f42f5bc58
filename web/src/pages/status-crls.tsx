// The revocation lists: the root's, which devices demand, and those of the CAs for everybody else.
import * as api from "../api/calls";
import type { Status } from "../api/types";
import { useNow } from "../state/clock";
import { servedNumber } from "../state/status-findings";
import { Lifetime, stageTone } from "../ui/expiry";
import { bytes, count, counted, duration } from "../ui/format";
import { Mark } from "../ui/mark";
import { Empty, Section, Time } from "../ui/parts";

type RootCrl = Status["root_crls"][number];

export function RootCrls({ status }: { status: Status }) {
  return (
    <Section title={status.root_crls.length === 1 ? "Root CRL" : "Root CRLs"} id="root-crls">
      <div class="scroll-x" tabIndex={0} role="group" aria-label="Root CRLs">
        <table class="links">
          <thead>
            <tr>
              <th scope="col">Of</th><th scope="col">Lifetime</th><th scope="col">Left</th><th scope="col">Next is due</th><th scope="col" class="number">Number</th><th scope="col">Lists</th>
              <th scope="col">Download</th>
            </tr>
          </thead>
          <tbody>
            {status.root_crls.map((crl) => (
              <tr key={crl.name}>
                <th scope="row">{crl.name}</th>
                <td class="bar-cell"><Lifetime from={crl.this_update} to={crl.next_update} tone={stageTone[crl.stage]} /></td>
                <td><RootLeft crl={crl} /></td>
                <td><Time iso={crl.due_at} /></td>
                <td class="number">{count(crl.number)}</td>
                <td>{crl.entries === 0 ? "no CA" : counted(crl.entries, "revoked CA", "revoked CAs")}</td>
                <td><Download ca={crl.name} size={crl.bytes} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="muted">Devices refuse every server when it is overdue, and ask for a newer one when a status host names a higher number.</p>
    </Section>
  );
}

function RootLeft({ crl }: { crl: RootCrl }) {
  const left = Date.parse(crl.next_update) - useNow();
  const text = left < 0 ? `Overdue for ${duration(left)}` : `${duration(left)} left`;
  return crl.stage === "in-time" ? <>{text}</> : <Mark tone={stageTone[crl.stage]} shape={crl.stage === "due" ? "triangle" : "cross"}>{text}</Mark>;
}

export function Crls({ status }: { status: Status }) {
  return (
    <Section title="CRLs of the CAs" id="crls">
      {status.crls.length === 0 ? <Empty title="No list yet"><p>The authority makes them within seconds of its start.</p></Empty> : (
        <div class="scroll-x" tabIndex={0} role="group" aria-label="CRLs of the CAs">
          <table>
            <thead>
              <tr>
                <th scope="col">CA</th><th scope="col" class="number">Number</th><th scope="col">Handed out</th><th scope="col">Made</th><th scope="col">In date for</th>
                <th scope="col" class="number">Entries</th><th scope="col">Download</th>
              </tr>
            </thead>
            <tbody>{status.crls.map((crl) => <Row key={crl.ca} crl={crl} served={servedNumber(status, crl.ca)} />)}</tbody>
          </table>
        </div>
      )}
      <p class="muted">Made anew when what they list changes, and every six hours. For nginx, HAProxy, OpenVPN and whoever else checks by lists; devices ask the status hosts.</p>
    </Section>
  );
}

function Row({ crl, served }: { crl: Status["crls"][number]; served: number | null }) {
  const left = Date.parse(crl.next_update) - useNow();
  return (
    <tr>
      <th scope="row" title={crl.url}>{crl.ca}</th>
      <td class="number">{count(crl.number)}</td>
      <td>{served === crl.number ? "this one" : served === null ? <Mark tone="warning" shape="triangle">none</Mark> : `number ${count(served)} still`}</td>
      <td><Time iso={crl.this_update} /></td>
      <td>{left < 0 ? <Mark tone="bad" shape="cross">{`overdue for ${duration(left)}`}</Mark> : duration(left)}</td>
      <td class="number">{count(crl.entries)}</td>
      <td><Download ca={crl.ca} size={crl.bytes} /></td>
    </tr>
  );
}

function Download({ ca, size }: { ca: string; size: number }) {
  return <a href={api.crlPath(ca)} download={`${ca}.crl`} aria-label={`Download the CRL of ${ca}, ${bytes(size)}`}>{bytes(size)}</a>;
}
