// What needs me: counts that lead to the devices behind them.
import type { ComponentChildren } from "preact";
import type { Device } from "../api/types";
import { Link } from "../router";
import { useNow } from "../state/clock";
import { fleetStore, loadDevices } from "../state/devices";
import { useStore } from "../state/store";
import { count, counted } from "../ui/format";
import { type Condition, conditionOf, conditions, conditionWord, ConditionMark, Mark, type Tone } from "../ui/mark";
import { Bar, Empty, Loading, PageHead, ProblemNote, Section, Time } from "../ui/parts";
import { displayName, expiresWithin, isInUse, silentFor } from "./device-filter";
import { LiveSessions } from "./device-sessions";

const tones: Partial<Record<Condition, Tone>> = { online: "good", suspended: "warning", revoked: "bad" };
const shownAlarms = 50;

export function FleetPage() {
  const fleet = useStore(fleetStore);
  const at = useNow();
  const devices = [...fleet.byKey.values()];
  return (
    <>
      <PageHead title="Fleet" lead="What needs somebody." />
      <ProblemNote problem={fleet.problem} retry={() => void loadDevices()} />
      {devices.length === 0 && (fleet.status === "loading" ? <Loading what="devices" /> : !fleet.problem &&
        <Empty title="No devices yet"><p>How the first one gets here is on the page <Link to="/devices">Devices</Link>.</p></Empty>)}
      {devices.length > 0 && (
        <>
          <States devices={devices} />
          <div class="columns">
            <Section title="Certificates that expire" id="expiring">
              <Shares of={devices.filter(isInUse).length} rows={[7, 30, 90].map((days) => ({
                key: String(days), title: `within ${days} days`, to: `/devices?expires=${days}&sort=certificate`,
                value: devices.filter((device) => expiresWithin(device, days, at)).length, tone: days === 7 ? "bad" : days === 30 ? "warning" : "accent",
              }))} />
            </Section>
            <Section title="Offline for long" id="silent">
              <Shares of={devices.filter(isInUse).length} rows={[1, 7, 30].map((days) => ({
                key: String(days), title: days === 1 ? "for a day" : `for ${days} days`, to: `/devices?silent=${days}&sort=-seen`,
                value: devices.filter((device) => silentFor(device, days, at)).length, tone: "accent",
              }))} />
            </Section>
            <Versions devices={devices} />
          </div>
          <Alarms devices={devices} />
        </>
      )}
      <LiveSessions />
    </>
  );
}

function States({ devices }: { devices: readonly Device[] }) {
  return (
    <Section title="States" id="states">
      <Shares of={devices.length} rows={conditions.map((condition) => ({
        key: condition, title: conditionWord(condition), to: `/devices?state=${condition}`,
        value: devices.filter((device) => conditionOf(device) === condition).length, tone: tones[condition] ?? "quiet",
      }))} />
    </Section>
  );
}

function Versions({ devices }: { devices: readonly Device[] }) {
  const counts = new Map<string, number>();
  for (const device of devices) {
    if (device.agent_version) counts.set(device.agent_version, (counts.get(device.agent_version) ?? 0) + 1);
  }
  const known = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 8);
  return (
    <Section title="Agent versions" id="versions">
      {known.length === 0 ? <p class="muted">None reported yet.</p> : (
        <Shares of={devices.length} rows={known.map(([version, value]) => ({
          key: version, title: version, to: `/devices?version=${encodeURIComponent(version)}`, value, tone: "accent" as Tone,
        }))} />
      )}
    </Section>
  );
}

interface Share {
  key: string;
  title: ComponentChildren;
  to: string;
  value: number;
  tone: Tone;
}

function Shares({ rows, of }: { rows: readonly Share[]; of: number }) {
  return (
    <ul class="shares">
      {rows.map((row) => (
        <li key={row.key}>
          <Link to={row.to}>{row.title}</Link>
          <Bar value={row.value} of={of} tone={row.tone} label={`${row.value} of ${of}`} />
          <span class="number">{count(row.value)}</span>
        </li>
      ))}
    </ul>
  );
}

function Alarms({ devices }: { devices: readonly Device[] }) {
  const alarms = devices.flatMap((device) => device.alarms.map((alarm) => ({ device, alarm })));
  alarms.sort((a, b) => (b.alarm.time ?? "").localeCompare(a.alarm.time ?? ""));
  return (
    <Section title="Alarms" id="alarms">
      {alarms.length === 0 && <p><Mark tone="good" shape="disc">No alarm</Mark></p>}
      {alarms.length > 0 && (
        <div class="scroll-x" tabIndex={0} role="group" aria-label="Alarms">
          <table>
            <thead><tr><th scope="col">Device</th><th scope="col">State</th><th scope="col">Alarm</th><th scope="col">What</th><th scope="col">When</th></tr></thead>
            <tbody>
              {alarms.slice(0, shownAlarms).map(({ device, alarm }, index) => (
                <tr key={`${device.serial_id} ${index}`}>
                  <th scope="row">{device.name ? <Link to={`/devices/${device.name}`} data-row>{displayName(device)}</Link> : displayName(device)}</th>
                  <td><ConditionMark device={device} /></td>
                  <td><Mark tone="bad" shape="triangle">{alarm.kind}</Mark></td>
                  <td>{alarm.detail}</td>
                  <td><Time iso={alarm.time} none="unknown" /></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {alarms.length > shownAlarms && <p>{counted(alarms.length, "alarm")} in all. <Link to="/devices?alarms=1">Devices with alarms</Link></p>}
    </Section>
  );
}
