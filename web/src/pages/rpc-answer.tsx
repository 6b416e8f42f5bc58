// What came of a call, and what does not.
import { useEffect, useRef, useState } from "preact/hooks";
import type { RpcCall } from "../api/types";
import { useNow } from "../state/clock";
import { askAgain, isUnderWay, mayAskAgain, type PageCall } from "../state/rpc";
import { announce } from "../ui/announce";
import { relative } from "../ui/format";
import { pretty } from "../ui/json";
import { Mark, type Tone } from "../ui/mark";
import { CopyButton, ProblemNote, Section } from "../ui/parts";

type Outcome = NonNullable<RpcCall["outcome"]>;
interface Look {
  tone: Tone;
  shape: "disc" | "triangle" | "cross" | "ring";
  word: string;
  meaning: string;
}

const looks: Record<Outcome, Look> = {
  answered: { tone: "good", shape: "disc", word: "Answered", meaning: "" },
  failed: { tone: "bad", shape: "cross", word: "Refused or failed", meaning: "The node has answered, and says no." },
  unknown: {
    tone: "warning", shape: "triangle", word: "Outcome unknown",
    meaning: "The call was sent and no answer came. It may have run, may be running, or may never have arrived: nobody can tell from here. Asked again under the same id it runs once at most, whatever happened before; within nine minutes that brings the answer of the run that was. An id is good for an hour: asked later, the outcome stays unknown.",
  },
  unheard: {
    tone: "bad", shape: "cross", word: "No answer; it did not run",
    meaning: "The node has not even opened a session, so the call never left. Either the node is not there, or the kept key is none of its keys, or the broker keeps something back; a node is silent towards whoever has no key of it.",
  },
  unsent: { tone: "bad", shape: "cross", word: "Not sent", meaning: "It did not run." },
  lost: {
    tone: "warning", shape: "triangle", word: "Outcome lost",
    meaning: "It was started, and the node no longer knows what came of it: it was restarted, or has kept the answer for the nine minutes that it does. It will not be run again under this id. Look at the machine, then decide.",
  },
  late: { tone: "bad", shape: "cross", word: "Came too late; it did not run", meaning: "The node’s clock and ours may differ." },
  overloaded: { tone: "warning", shape: "triangle", word: "The node has too much to do; it did not run", meaning: "" },
  broken: { tone: "bad", shape: "cross", word: "The answer cannot be read", meaning: "Whether it ran is not known." },
};
const forgotten: Look = {
  ...looks.unknown,
  meaning: `The process that calls was restarted meanwhile and does not know this call any more. ${looks.unknown.meaning}`,
};

const notAskedAgain: Look = { ...looks.unknown, meaning: `It could not be asked again. ${looks.unknown.meaning}` };

function lookOf(one: PageCall): Look | null {
  if (one.problem && one.id === null) return null;
  if (one.problem) return one.problem.kind === "not-found" ? forgotten : notAskedAgain;
  return one.call?.outcome ? looks[one.call.outcome] : null;
}

export const took = (ms: number): string => (ms < 1_000 ? `${ms} ms` : `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`);

export function Answer({ one }: { one: PageCall }) {
  const look = lookOf(one);
  const call = one.call;
  const before = useRef(isUnderWay(one));
  useEffect(() => {
    if (before.current && !isUnderWay(one)) announce(`${one.method}: ${(look?.word ?? "not begun").toLowerCase()}`);
    before.current = isUnderWay(one);
  }, [one]);
  return (
    <Section title={`Answer of ${one.method}`} id="answer">
      <p role="status" class="call-state">
        {look ? <Mark tone={look.tone} shape={look.shape}>{look.word}</Mark> : one.problem ? <Mark tone="bad" shape="cross">Not begun</Mark> : <Running one={one} />}
        {call?.took_ms != null && <span class="muted">after {took(call.took_ms)}{call.asked > 1 ? `, asked ${call.asked} times` : ""}</span>}
      </p>
      {one.problem && look !== forgotten && <ProblemNote problem={one.problem} />}
      {look?.meaning && <p>{look.meaning}</p>}
      {call?.detail && call.outcome !== "failed" && <p class="muted sentence">{call.detail}.</p>}
      {mayAskAgain(one) && <button type="button" class="primary" onClick={() => void askAgain(one)}>Ask again under the same id</button>}
      {call && <Progress call={call} />}
      {call?.outcome === "failed" && call.error && (
        <>
          <p><strong>{call.error.message}</strong> <span class="muted">({call.error.code})</span></p>
          {call.error.data !== null && <JsonText value={call.error.data} what="the error’s data" />}
        </>
      )}
      {call?.outcome === "answered" && <JsonText value={call.result} what="answer" />}
      {one.id && <p class="muted">Call <code>{one.id}</code> <CopyButton text={one.id} what="call id" /></p>}
    </Section>
  );
}

function Running({ one }: { one: PageCall }) {
  const [, redraw] = useState(0);
  useEffect(() => {
    const timer = window.setInterval(() => redraw((turn) => turn + 1), 200);
    return () => window.clearInterval(timer);
  }, []);
  const waits = ((Date.now() - one.begun) / 1_000).toFixed(0);
  return (
    <>
      <Mark tone="accent" shape="ring">Under way</Mark> <span class="muted" aria-hidden="true">{waits} s of {one.timeoutMs / 1_000} s</span>
    </>
  );
}

function Progress({ call }: { call: RpcCall }) {
  if (call.progress.length === 0 && call.progress_left_out === 0) return null;
  return (
    <div class="progress">
      <h3>Told on the way</h3>
      {call.progress_left_out > 0 && <p class="muted">{call.progress_left_out} more {call.progress_left_out === 1 ? "line is" : "lines are"} not shown.</p>}
      <ol aria-live={call.state === "ended" ? "off" : "polite"}>
        {call.progress.map((line, index) => <li key={call.progress_left_out + index}><code>{typeof line === "string" ? line : JSON.stringify(line)}</code></li>)}
      </ol>
    </div>
  );
}

function JsonText({ value, what }: { value: unknown; what: string }) {
  const text = pretty(value);
  return (
    <div class="json-block">
      <pre class="json" tabIndex={0} role="group" aria-label={what}>{text}</pre>
      <CopyButton text={text} what={what} />
    </div>
  );
}

interface HistoryProps {
  calls: readonly PageCall[];
  shown?: number | undefined;
  onChosen: (one: PageCall) => void;
}

export function CallHistory({ calls, shown, onChosen }: HistoryProps) {
  const at = useNow();
  return (
    <Section title="Calls from this page" id="history" acts={<span class="muted">gone when the page is; the audit log keeps who called what</span>}>
      <div class="scroll-x" tabIndex={0} role="group" aria-label="Calls from this page">
        <table>
          <thead>
            <tr>
              <th scope="col">Method</th>
              <th scope="col">Node</th>
              <th scope="col">Called</th>
              <th scope="col" class="number">Took</th>
              <th scope="col">Outcome</th>
            </tr>
          </thead>
          <tbody>
            {calls.map((one) => (
              <tr key={one.number}>
                <th scope="row">
                  <button type="button" class="plain" data-row aria-pressed={one.number === shown} onClick={() => onChosen(one)}>{one.method}</button>
                </th>
                <td>{one.node}</td>
                <td>{relative(new Date(one.begun).toISOString(), at)}</td>
                <td class="number">{one.call?.took_ms != null ? took(one.call.took_ms) : ""}</td>
                <td><HistoryOutcome one={one} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Section>
  );
}

function HistoryOutcome({ one }: { one: PageCall }) {
  const look = lookOf(one);
  if (look) return <Mark tone={look.tone} shape={look.shape}>{look.word}</Mark>;
  return one.problem ? <Mark tone="bad" shape="cross">Not begun</Mark> : <Mark tone="accent" shape="ring">Under way</Mark>;
}
