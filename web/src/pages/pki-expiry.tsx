// What ends next, and what to do about it: late things first, the rest on demand; then the fleet in numbers.
import type { ExpiryLink, ExpiryReport } from "../api/types";
import { Link } from "../router";
import { linkTitle } from "../state/expiry";
import { Left, Lifetime, stageTone } from "../ui/expiry";
import { count, counted } from "../ui/format";
import { Mark } from "../ui/mark";
import { Section, Time } from "../ui/parts";

const shownInTime = 3;
const shownDevices = 20;

export function WhatEnds({ report }: { report: ExpiryReport }) {
  const late = report.links.filter((link) => link.stage !== "in-time");
  const inTime = report.links.filter((link) => link.stage === "in-time");
  return (
    <Section title="What ends next" id="ends">
      <p>
        {late.length === 0 ? (
          <Mark tone="good" shape="disc">{`Everything is in time: ${counted(inTime.length, "link")} of the chain of trust`}</Mark>
        ) : (
          <Mark tone={late.some((link) => link.stage === "ended") ? "bad" : "warning"} shape="triangle">{`${counted(late.length, "link")} should have been replaced by now`}</Mark>
        )}
      </p>
      <Links links={[...late, ...inTime.slice(0, shownInTime)]} />
      {inTime.length > shownInTime && (
        <details class="more-links">
          <summary>{counted(inTime.length - shownInTime, "more link")} that last longer</summary>
          <Links links={inTime.slice(shownInTime)} />
        </details>
      )}
      <Devices report={report} />
    </Section>
  );
}

function Links({ links }: { links: readonly ExpiryLink[] }) {
  return (
    <div class="scroll-x" tabIndex={0} role="group" aria-label="Links of the chain of trust">
      <table class="links">
        <thead>
          <tr><th scope="col">What</th><th scope="col">Lifetime</th><th scope="col">Left</th><th scope="col">Due</th><th scope="col">Then</th></tr>
        </thead>
        <tbody>
          {links.map((link) => (
            <tr key={`${link.kind} ${link.name}`}>
              <th scope="row">{linkTitle(link)}</th>
              <td class="bar-cell"><Lifetime from={link.not_before} to={link.not_after} tone={stageTone[link.stage]} /></td>
              <td><Left link={link} /></td>
              <td><Time iso={link.due_at} /></td>
              <td class="remedy">{link.stage === "in-time" ? <span class="muted">in time</span> : link.remedy}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Devices({ report }: { report: ExpiryReport }) {
  const { operational, web } = report;
  const late = operational.ending.filter((one) => one.stage !== "in-time");
  return (
    <>
      <p class="ends-devices">
        Devices renew by themselves at two thirds of a certificate’s life. Operational: {stages(operational)}. Web: {stages(web)}.
      </p>
      {late.length > 0 && (
        <details class="more-links">
          <summary>{counted(operational.due + operational.ended, "device")} late with the renewal</summary>
          <ul class="late-devices">
            {late.slice(0, shownDevices).map((one) => (
              <li key={one.device}>
                <Link to={`/devices/${one.device}/certificates`}>{one.device}</Link> {one.stage === "ended" ? "ended" : "ends"} <Time iso={one.not_after} />
              </li>
            ))}
          </ul>
          {late.length > shownDevices && <p class="muted">All of them: <code>sallyport cert expiring --json</code></p>}
        </details>
      )}
    </>
  );
}

const stages = (devices: ExpiryReport["web"]): string =>
  `${count(devices.in_time)} in time, ${count(devices.due)} late, ${count(devices.ended)} ended`;
