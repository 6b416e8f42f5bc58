// One device: may I go in, is it healthy, who was in.
import { useEffect, useRef } from "preact/hooks";
import * as api from "../api/calls";
import type { Device } from "../api/types";
import { Link } from "../router";
import { fleetStore, putDevice } from "../state/devices";
import { useLoad } from "../state/load";
import { useStore } from "../state/store";
import { announce } from "../ui/announce";
import { ConditionMark, conditionOf, conditionWord } from "../ui/mark";
import { Loading, PageHead, ProblemNote, Time } from "../ui/parts";
import { CertificatesTab } from "./device-certificates";
import { displayName } from "./device-filter";
import { OverviewTab } from "./device-overview";
import { DeviceRpcTab } from "./device-rpc";
import { SessionsTab } from "./device-sessions";
import { SettingsTab } from "./device-settings";
import { TelemetryTab } from "./device-telemetry";

const tabs = [
  ["", "Overview"],
  ["sessions", "Sessions"],
  ["telemetry", "Telemetry"],
  ["certificates", "Certificates"],
  ["rpc", "RPC"],
  ["settings", "Settings"],
] as const;

export function DevicePage({ name, tab }: { name: string; tab: string }) {
  const fleet = useStore(fleetStore);
  const read = useLoad(name, async () => {
    const found = await api.getDevice(name);
    putDevice(found);
    return found;
  });
  const device = fleet.byName.get(name) ?? read.value;
  useConditionAnnounced(device);
  if (!device) {
    return (
      <>
        <PageHead title={name} />
        {read.problem ? <ProblemNote problem={read.problem} retry={read.reload} /> : <Loading what="the device" />}
      </>
    );
  }
  const base = `/devices/${name}`;
  return (
    <>
      <PageHead title={displayName(device)} lead={<Lead device={device} />} />
      <ProblemNote problem={read.problem} retry={read.reload} />
      <nav class="tabs" aria-label="About this device">
        {tabs.map(([key, title]) => (
          <Link key={key} to={key ? `${base}/${key}` : base} aria-current={key === tab ? "page" : undefined}>{title}</Link>
        ))}
      </nav>
      <Tab device={device} name={name} tab={tab} />
    </>
  );
}

function Tab({ device, name, tab }: { device: Device; name: string; tab: string }) {
  switch (tab) {
    case "":
      return <OverviewTab device={device} name={name} />;
    case "certificates":
      return <CertificatesTab name={name} />;
    case "sessions":
      return <SessionsTab name={name} />;
    case "telemetry":
      return <TelemetryTab name={name} />;
    case "rpc":
      return <DeviceRpcTab name={name} />;
    case "settings":
      return <SettingsTab device={device} name={name} />;
    default:
      return <p class="muted">There is no such part of a device.</p>;
  }
}

function Lead({ device }: { device: Device }) {
  return (
    <>
      <ConditionMark device={device} /> · {device.serial_id} · site {device.site}
      {!device.online && device.last_seen && <> · last seen <Time iso={device.last_seen} /></>}
      {device.online && device.rtt_ms !== null && <> · {device.rtt_ms} ms</>}
    </>
  );
}

// Coming and going is said aloud: whoever looks at one device waits for just that.
function useConditionAnnounced(device: Device | null): void {
  const condition = device ? conditionOf(device) : null;
  const before = useRef(condition);
  useEffect(() => {
    if (device && before.current && condition && before.current !== condition) {
      announce(`${displayName(device)}: ${conditionWord(condition).toLowerCase()}`);
    }
    before.current = condition;
  }, [condition]);
}
