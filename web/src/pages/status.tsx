// Can devices find out whether their servers are still to be trusted? In one look, then by what, and for how long.
import { useEffect } from "preact/hooks";
import * as api from "../api/calls";
import type { Status } from "../api/types";
import { useNow } from "../state/clock";
import { onEvent } from "../state/events";
import { useLoad } from "../state/load";
import { findingsOf, type Finding } from "../state/status-findings";
import { Mark } from "../ui/mark";
import { Command, Loading, PageHead, ProblemNote, Section } from "../ui/parts";
import { Crls, RootCrls } from "./status-crls";
import { Hosts } from "./status-hosts";

// Besides the events: a host that is cut off says nothing.
const roundMs = 15_000;

export function StatusPage() {
  const { value, problem, reload } = useLoad("status", api.getStatus);
  useEffect(() => {
    const stop = onEvent("status", reload);
    const timer = window.setInterval(reload, roundMs);
    return () => {
      stop();
      window.clearInterval(timer);
    };
  }, [reload]);
  return (
    <>
      <PageHead title="Status" lead="Before a device says a word, it asks a status host whether the server is still to be trusted. No answer, no word." />
      <ProblemNote problem={problem} retry={reload} />
      {!value && !problem && <Loading what="the status hosts" />}
      {value && (
        <>
          <Verdict status={value} />
          <Hosts status={value} />
          <RootCrls status={value} />
          <Crls status={value} />
        </>
      )}
    </>
  );
}

function Verdict({ status }: { status: Status }) {
  const findings = findingsOf(status, useNow());
  const bad = findings.some((one) => one.tone === "bad");
  return (
    <Section title="Now" id="now">
      <p role="status">
        {findings.length === 0 ? (
          <Mark tone="good" shape="disc">Devices can check their servers</Mark>
        ) : bad ? (
          <Mark tone="bad" shape="cross">Devices cannot check all their servers, and refuse those</Mark>
        ) : (
          <Mark tone="warning" shape="triangle">Devices can check their servers, and something needs you</Mark>
        )}
      </p>
      {findings.map((one) => <Found key={one.text} finding={one} />)}
    </Section>
  );
}

function Found({ finding }: { finding: Finding }) {
  return (
    <div class={`note ${finding.tone}`}>
      <p>{finding.text}</p>
      {finding.commands && (
        <ul class="note-commands">
          {finding.commands.map((text) => <li key={text}><Command text={text} /></li>)}
        </ul>
      )}
    </div>
  );
}
