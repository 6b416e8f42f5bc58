// One card for each status host: from what it answers, by which keys, and what it has been asked.
import type { Status, StatusHost } from "../api/types";
import { useNow } from "../state/clock";
import { Lifetime } from "../ui/expiry";
import { count, counted, duration } from "../ui/format";
import { Mark, type Tone } from "../ui/mark";
import { Bar, Empty, Fact, Facts, Time } from "../ui/parts";

export function Hosts({ status }: { status: Status }) {
  if (status.hosts.length === 0) {
    return (
      <Empty title="No status host yet">
        <p>
          A status host tells the authority of itself every 5 s, from its first lease on. What it has told is kept in memory, so after a restart of the authority nothing is here for a
          moment.
        </p>
      </Empty>
    );
  }
  return <>{status.hosts.map((host) => <Host key={host.host} host={host} newest={status.snapshot_number} />)}</>;
}

const states: Record<StatusHost["state"], [Tone, "disc" | "triangle" | "cross", string]> = {
  answering: ["good", "disc", "Answers"],
  "without-lease": ["bad", "triangle", "Has no lease"],
  gone: ["bad", "cross", "Not connected"],
};

function Host({ host, newest }: { host: StatusHost; newest: number }) {
  const [tone, shape, word] = states[host.state];
  const id = `host-${host.host}`;
  return (
    <section class="card" aria-labelledby={id}>
      <div class="section-head">
        <h2 id={id}>{host.host}</h2>
        <Mark tone={tone} shape={shape}>{word}</Mark>
        <span class="muted">told <Time iso={host.reported_at} /></span>
      </div>
      <Facts>
        <Fact name="Snapshot">
          <span class="number">{count(host.snapshot.number)}</span>
          {host.snapshot.behind > 0 ? ` of ${count(newest)}, ${counted(host.snapshot.behind, "change")} behind` : ", the newest"}
        </Fact>
        <Fact name="Age">known to be the newest <Time iso={host.snapshot.current_at} none="at no time yet" />; made <Time iso={host.snapshot.issued_at} /></Fact>
        <Fact name="Lease">{lease(host)}</Fact>
      </Facts>
      <div class="columns counts">
        <Counts title="Answers" counts={host.answers} names={answerNames} since={host.counting_since} tone="accent" />
        <Counts title="Refusals" counts={host.refusals} names={refusalNames} since={host.counting_since} tone="warning" />
      </div>
      <Signers host={host} />
    </section>
  );
}

function lease(host: StatusHost): string {
  if (host.state === "answering") return "held, given anew every second";
  return "none: it goes on with what it said of servers and CAs before, to the end of its window, and answers nothing else";
}

const answerNames: Record<string, string> = { cached: "out of memory", "on-demand": "signed, to be kept", live: "with the asker’s nonce" };
const refusalNames: Record<string, string> = {
  "no-lease": "without a lease", "no-signer": "without a signer", saturated: "too many asked", unauthorized: "of no CA here", malformed: "not understood", internal: "for a fault",
};

function Counts({ title, counts, names, since, tone }: { title: string; counts: StatusHost["answers"]; names: Record<string, string>; since: string; tone: Tone }) {
  const rows = Object.entries(counts);
  const whole = rows.reduce((sum, [, value]) => sum + value, 0);
  return (
    <div>
      <h3>{title} <span class="muted" title={`since ${since}`}>{count(whole)} in {duration(useNow() - Date.parse(since))}</span></h3>
      <ul class="shares">
        {rows.map(([kind, value]) => (
          <li key={kind}>
            <span title={kind}>{names[kind] ?? kind}</span>
            <Bar value={value} of={whole} tone={value > 0 ? tone : "quiet"} label={`${value} of ${whole}`} />
            <span class="number">{count(value)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

const urgent = 3 * 86_400_000;

function Signers({ host }: { host: StatusHost }) {
  const now = useNow();
  const rows = [...host.signers].sort((a, b) => a.not_after.localeCompare(b.not_after));
  return (
    <div class="scroll-x" tabIndex={0} role="group" aria-label={`Signers of ${host.host}`}>
      <table class="links">
        <thead><tr><th scope="col">Signer for</th><th scope="col">Lifetime</th><th scope="col">Left</th><th scope="col">Next one</th></tr></thead>
        <tbody>
          {host.missing_signers.map((ca) => (
            <tr key={`no ${ca}`}>
              <th scope="row">{ca}</th>
              <td class="bar-cell" />
              <td><Mark tone="bad" shape="cross">none</Mark></td>
              <td class="muted">nothing is answered about its certificates</td>
            </tr>
          ))}
          {rows.filter((one) => Date.parse(one.not_after) > now).map((one) => {
            const left = Date.parse(one.not_after) - now;
            const late = Date.parse(one.renews_at) < now;
            return (
              <tr key={one.ca}>
                <th scope="row">{one.ca}</th>
                <td class="bar-cell"><Lifetime from={one.not_before} to={one.not_after} tone={left < urgent ? "bad" : late ? "warning" : "accent"} /></td>
                <td><time dateTime={one.not_after} title={one.not_after}>{left < urgent ? <Mark tone="bad" shape="triangle">{duration(left)}</Mark> : duration(left)}</time></td>
                <td>{late ? <Mark tone="warning" shape="triangle">{`due ${duration(now - Date.parse(one.renews_at))} ago`}</Mark> : <Time iso={one.renews_at} />}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
