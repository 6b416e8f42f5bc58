// Who did what, provably: the newest first, every entry with its hash.
import { useEffect, useState } from "preact/hooks";
import type { AuditEntry, AuditPage as Page } from "../api/types";
import { go, Link, usePlace, withQuery } from "../router";
import { onEvent } from "../state/events";
import { useLoad } from "../state/load";
import { useTextOf } from "../state/of";
import { count, counted, localTime } from "../ui/format";
import { Mark } from "../ui/mark";
import { Empty, Fact, Facts, Fingerprint, Loading, PageHead, ProblemNote, Time } from "../ui/parts";
import { Choice } from "./device-filter-bar";
import { readAudit, type AuditView } from "./audit-read";

const actions = ["device.", "certificate.", "session.", "user.", "site.", "ca.", "login."];

export function AuditPage() {
  const place = usePlace();
  const action = place.query.get("action") ?? "";
  const subject = place.query.get("subject") ?? "";
  const before = Number(place.query.get("before")) || null;
  const { value, problem, reload } = useLoad(`${action}\n${subject}\n${before}`, () => readAudit({ action, subject, before }));
  const newer = useNewer(value, before);
  return (
    <>
      <PageHead title="Audit" lead="Every act, each entry sealed into the next by its hash.">
        {value && <Badge page={value.page} />}
      </PageHead>
      <div class="filters" role="group" aria-label="Filters">
        <Choice name="Action" value={action} onChange={(next) => go(withQuery(place, { action: next, before: "" }), "replace")}
          options={[["", "Any action"], ...actions.map((prefix) => [prefix, prefix.slice(0, -1)] as const)]} />
        <SubjectFilter subject={subject} onChange={(next) => go(withQuery(place, { subject: next, before: "" }), "replace")} />
        {(action || subject || before) && <Link to="/audit">Clear</Link>}
      </div>
      <ProblemNote problem={problem} retry={reload} />
      {newer > 0 && <button type="button" class="newcomers" onClick={reload}>{counted(newer, "newer entry", "newer entries")} to show</button>}
      {!value && !problem && <Loading what="the log" />}
      {value && value.entries.length === 0 && <Empty title="No entry matches"><p>{value.page.head ? `${count(value.page.head.sequence)} entries in all.` : "The log is empty."}</p></Empty>}
      {value && value.entries.length > 0 && <Entries entries={value.entries} />}
      {value?.cut && <p class="note">Only the first {count(value.entries.length)} matches are here; narrow the filter to see the rest.</p>}
      {value?.older && <p><Link to={withQuery(place, { before: String(value.older) })} class="button">Older entries</Link></p>}
    </>
  );
}

function Badge({ page }: { page: Page }) {
  if (!page.head) return null;
  if (!page.verified) {
    return (
      <span class="badge bad">
        <Mark tone="bad" shape="cross">Chain broken</Mark>
        {page.broken_at !== null && ` at entry ${count(page.broken_at)}`}
      </span>
    );
  }
  return (
    <span class="badge good" title={`Head ${page.head.hash}`}>
      <Mark tone="good" shape="disc">Chain verified</Mark> {counted(page.head.sequence, "entry", "entries")}
    </span>
  );
}

function SubjectFilter({ subject, onChange }: { subject: string; onChange: (subject: string) => void }) {
  const [text, setText] = useTextOf(subject);
  const submit = (event: Event): void => {
    event.preventDefault();
    onChange(text.trim());
  };
  return (
    <form class="inline-form" onSubmit={submit}>
      <input type="search" aria-label="Subject" placeholder="Subject, exactly" value={text}
        onInput={(event) => setText(event.currentTarget.value)} />
      <button type="submit">Filter</button>
    </form>
  );
}

function useNewer(value: AuditView | null, before: number | null): number {
  const [newer, setNewer] = useState(0);
  useEffect(() => {
    setNewer(0);
    if (before !== null) return;
    return onEvent("audit", () => setNewer((sofar) => sofar + 1));
  }, [value, before]);
  return newer;
}

function Entries({ entries }: { entries: readonly AuditEntry[] }) {
  const [open, setOpen] = useState<number | null>(null);
  return (
    <table class="audit" aria-label="Audit log, newest first">
      <thead>
        <tr>
          <th scope="col" class="number">Entry</th><th scope="col">When</th><th scope="col">Who</th><th scope="col">Did</th><th scope="col">To</th>
        </tr>
      </thead>
      <tbody>
        {entries.map((entry) => (
          <EntryRows key={entry.sequence} entry={entry} open={open === entry.sequence}
            onToggle={() => setOpen(open === entry.sequence ? null : entry.sequence)} />
        ))}
      </tbody>
    </table>
  );
}

function EntryRows({ entry, open, onToggle }: { entry: AuditEntry; open: boolean; onToggle: () => void }) {
  return (
    <>
      <tr>
        <th scope="row" class="number">
          <button type="button" class="plain" data-row aria-expanded={open} onClick={onToggle} aria-label={`Entry ${entry.sequence}`}>
            {count(entry.sequence)}
          </button>
        </th>
        <td><Time iso={entry.time} /></td>
        <td>{entry.actor}</td>
        <td>{entry.action}</td>
        <td>{entry.subject}</td>
      </tr>
      {open && (
        <tr class="detail">
          <td colSpan={5}>
            <Facts>
              <Fact name="Time">{entry.time} <span class="muted">(here {localTime(entry.time)})</span></Fact>
              {Object.entries(entry.detail).map(([key, value]) => (
                <Fact key={key} name={key}>{typeof value === "string" ? value : JSON.stringify(value)}</Fact>
              ))}
              <Fact name="Previous hash"><Fingerprint hex={entry.previous} what="previous hash" /></Fact>
              <Fact name="Hash"><Fingerprint hex={entry.hash} what="hash" /></Fact>
            </Facts>
          </td>
        </tr>
      )}
    </>
  );
}
