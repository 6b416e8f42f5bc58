// Who was in and who is, for one device or for all.
import { useEffect } from "preact/hooks";
import * as api from "../api/calls";
import type { AccessSession } from "../api/types";
import { Link } from "../router";
import { now, useNow } from "../state/clock";
import { onEvent } from "../state/events";
import { useAct, useLoad } from "../state/load";
import { useStateOf } from "../state/of";
import { may } from "../state/session";
import { announce } from "../ui/announce";
import { bytes, duration } from "../ui/format";
import { Mark } from "../ui/mark";
import { Empty, Loading, ProblemNote, Section, Time } from "../ui/parts";

export function SessionsTab({ name }: { name: string }) {
  const { sessions, problem, reload } = useSessions(`device ${name}`, () => api.listDeviceSessions(name), (one) => one.device === name);
  if (problem) return <ProblemNote problem={problem} retry={reload} />;
  if (!sessions) return <Loading what="sessions" />;
  if (sessions.length === 0) return <Empty title="Nobody was in yet"><p>Every session will be kept here: who, when, how much, why it ended.</p></Empty>;
  return <SessionTable sessions={sessions} label="Sessions of this device" />;
}

export function LiveSessions({ name }: { name?: string }) {
  const { sessions, problem, reload } = useSessions(
    `live ${name ?? ""}`,
    () => (name ? api.listDeviceSessions(name) : api.listSessions()),
    (one) => name === undefined || one.device === name,
  );
  const live = sessions?.filter((one) => one.ended === null);
  return (
    <Section title="Live sessions" id="live" acts={name && <Link to={`/devices/${name}/sessions`}>All sessions</Link>}>
      <ProblemNote problem={problem} retry={reload} />
      {live && live.length > 0 && <SessionTable sessions={live} label="Live sessions" withDevice={!name} />}
      {live && live.length === 0 && <p class="muted">Nobody is in.</p>}
      {!live && !problem && <Loading what="live sessions" />}
    </Section>
  );
}

function useSessions(key: string, read: () => Promise<{ sessions: readonly AccessSession[] }>, concerns: (session: AccessSession) => boolean) {
  const { value, problem, reload } = useLoad(key, read);
  const [changed, setChanged] = useStateOf<ReadonlyMap<string, AccessSession>>(value, () => new Map());
  useEffect(
    () => onEvent("session", (one) => concerns(one) && setChanged((before) => new Map(before).set(one.id, one))),
    [key],
  );
  let sessions: AccessSession[] | null = null;
  if (value) {
    const known = new Set(value.sessions.map((one) => one.id));
    const begun = [...changed.values()].filter((one) => !known.has(one.id)).reverse();
    sessions = [...begun, ...value.sessions.map((one) => changed.get(one.id) ?? one)];
  }
  return { sessions, problem, reload };
}

export function SessionTable({ sessions, label, withDevice = false }: { sessions: readonly AccessSession[]; label: string; withDevice?: boolean }) {
  const at = useNow();
  return (
    <div class="scroll-x" tabIndex={0} role="group" aria-label={label}>
      <table>
        <thead>
          <tr>
            <th scope="col">Who</th>
            {withDevice && <th scope="col">Device</th>}
            <th scope="col">Service</th>
            <th scope="col">From</th>
            <th scope="col">Opened</th>
            <th scope="col" class="number">Lasted</th>
            <th scope="col" class="number">To device</th>
            <th scope="col" class="number">To user</th>
            <th scope="col">State</th>
          </tr>
        </thead>
        <tbody>
          {sessions.map((one) => (
            <tr key={one.id}>
              <th scope="row">{one.login}</th>
              {withDevice && <td><Link to={`/devices/${one.device}`} data-row>{one.device_alias || one.serial_id}</Link></td>}
              <td>{one.service}</td>
              <td>{one.source}</td>
              <td><Time iso={one.opened} /></td>
              <td class="number">{duration((one.ended ? Date.parse(one.ended) : at) - Date.parse(one.opened))}</td>
              <td class="number">{bytes(one.bytes_to_device)}</td>
              <td class="number">{bytes(one.bytes_to_user)}</td>
              <td><SessionState session={one} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function SessionState({ session }: { session: AccessSession }) {
  const act = useAct();
  useEffect(() => {
    if (act.problem) announce(`Not ended: ${act.problem.message}`);
  }, [act.problem]);
  if (session.ended !== null) return <span class="muted">Ended: {session.end_reason || "closed"}</span>;
  const end = (): void =>
    act.run(async () => {
      await api.endSession(session.id);
      announce(`Ended the session of ${session.login}, open for ${duration(now() - Date.parse(session.opened))}`);
    });
  return (
    <span class="session-live">
      <Mark tone="good" shape="disc">Live</Mark>
      {may("operator") && (
        <button type="button" disabled={act.busy} onClick={end} aria-label={`End the session of ${session.login} on ${session.service}`}>
          End
        </button>
      )}
    </span>
  );
}
