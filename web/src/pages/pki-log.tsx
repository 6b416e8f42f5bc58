// The transparency log: its signed head, what was appended last, and how anybody checks it.
import { useEffect } from "preact/hooks";
import * as api from "../api/calls";
import type { LogEntry, LogHead } from "../api/types";
import { Link, usePlace, withQuery } from "../router";
import { onEvent } from "../state/events";
import { useLoad } from "../state/load";
import { count, counted } from "../ui/format";
import { Mark } from "../ui/mark";
import { Command, Empty, Fact, Facts, Fingerprint, Loading, ProblemNote, Section, Time } from "../ui/parts";

const pageSize = 50;

export function LogPart() {
  const { value, problem, reload } = useLoad("log", api.getLog);
  // Every act is an entry.
  useEffect(() => onEvent("audit", reload), [reload]);
  return (
    <>
      <ProblemNote problem={problem} retry={reload} />
      {!value && !problem && <Loading what="the head of the log" />}
      {value && (
        <>
          <Head head={value} />
          <Entries size={value.size} />
          <Checking />
        </>
      )}
    </>
  );
}

function Head({ head }: { head: LogHead }) {
  return (
    <Section title="Head" id="head">
      <p>
        {head.was_set_back ? (
          <Mark tone="bad" shape="cross">The log was set back: nothing of it is signed until the newer database is here again</Mark>
        ) : head.fault ? (
          <Mark tone="warning" shape="triangle">It cannot be signed now; this is the last head that was</Mark>
        ) : (
          <Mark tone="good" shape="disc">Signed</Mark>
        )}
      </p>
      {head.fault && <p class="note bad">{head.fault}</p>}
      <Facts>
        <Fact name="Log">{head.origin}</Fact>
        <Fact name="Size">{counted(head.size, "entry", "entries")}</Fact>
        <Fact name="Root hash"><Fingerprint hex={head.root_hash} what="root hash" /></Fact>
      </Facts>
    </Section>
  );
}

// The newest first; older ones are further pages with addresses of their own.
function Entries({ size }: { size: number }) {
  const place = usePlace();
  const before = Math.min(Number(place.query.get("before")) || size, size);
  const from = Math.max(0, before - pageSize);
  const { value, problem, reload } = useLoad(`${from} ${before}`, () => (before === 0 ? Promise.resolve({ entries: [], size: 0 }) : api.listLogEntries(from, before - from)));
  if (size === 0) return <Empty title="The log is empty"><p>Its first entries come with the first certificate or act.</p></Empty>;
  return (
    <Section title={before === size ? "Newest entries" : `Entries before ${count(before)}`} id="entries">
      <ProblemNote problem={problem} retry={reload} />
      {!value && !problem && <Loading what="entries" />}
      {value && (
        <div class="scroll-x" tabIndex={0} role="group" aria-label="Entries of the log">
          <table class="log">
            <thead><tr><th scope="col" class="number">Entry</th><th scope="col">When</th><th scope="col">Of</th><th scope="col">What</th></tr></thead>
            <tbody>
              {[...value.entries].reverse().map((entry) => (
                <tr key={entry.index}>
                  <th scope="row" class="number">{count(entry.index)}</th>
                  <td><Time iso={entry.time} /></td>
                  <td>{kinds[entry.kind]}{entry.ca && ` from ${entry.ca}`}</td>
                  <td><What entry={entry} /></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <p class="log-pages">
        {before < size && <Link class="button" to={withQuery(place, { before: before + pageSize < size ? String(before + pageSize) : "" })}>Newer entries</Link>}
        {from > 0 && <Link class="button" to={withQuery(place, { before: String(from) })}>Older entries</Link>}
      </p>
    </Section>
  );
}

const kinds: Record<LogEntry["kind"], string> = { certificate: "certificate", "ledger-head": "ledger head", "audit-event": "audit event" };

function What({ entry }: { entry: LogEntry }) {
  switch (entry.kind) {
    case "certificate":
      return <Link to={`/pki/certificates?q=${entry.serial ?? ""}`}>{entry.subject || entry.serial}</Link>;
    case "ledger-head":
      return <>{counted(entry.sequence ?? 0, "entry", "entries")} of site {entry.site}</>;
    case "audit-event":
      return <Link to={`/audit?before=${(entry.sequence ?? 0) + 1}`}>entry {count(entry.sequence ?? 0)} of the audit log</Link>;
  }
}

function Checking() {
  return (
    <Section title="Check it yourself" id="checking">
      <p>Each certificate here shows its proof, computed in this browser. What no console can prove of itself is checked elsewhere, on a machine of your own:</p>
      <ol class="steps">
        <li>Take all of it away: <Command text="sallyport log export DIR" /></li>
        <li>Is anything removed, altered or moved? <Command text="sallyport log verify --export DIR --root root.pem" /></li>
        <li>Was a certificate ever issued for a name that nobody asked for? <Command text="sallyport log watch NAME" /></li>
      </ol>
    </Section>
  );
}
