import * as api from "../api/calls";
import type { Certificate, Device } from "../api/types";
import { Link } from "../router";
import { putDevice } from "../state/devices";
import { useAct, useLoad } from "../state/load";
import { may } from "../state/session";
import { announce } from "../ui/announce";
import { count } from "../ui/format";
import { Mark } from "../ui/mark";
import { Command, Expiry, Fact, Facts, Fingerprint, Loading, ProblemNote, Section, Time } from "../ui/parts";
import { connectCommand, OpenDirectly, ServiceButton, whyClosed } from "../ui/services";
import { LiveSessions } from "./device-sessions";

export function OverviewTab({ device, name }: { device: Device; name: string }) {
  return (
    <>
      {device.alarms.map((alarm, index) => (
        <div class="note bad" key={index}>
          <Mark tone="bad" shape="triangle">{alarm.kind}</Mark>
          <p>{alarm.detail} {alarm.time && <span class="muted"><Time iso={alarm.time} /></span>}</p>
        </div>
      ))}
      <Services device={device} />
      <Access device={device} name={name} />
      <LiveSessions name={name} />
      <Identity device={device} name={name} />
    </>
  );
}

const remedies: Record<string, string> = {
  Unclaimed: "Nobody can reach it before it is claimed with the code that it shows.",
  "Not in use": "Its state does not allow remote access.",
  Offline: "It has no connection to the relay. It comes back by itself when its network does.",
  "Remote access off": "Switch remote access on below.",
  "Off at the device": "Somebody at the device has to switch remote access on; that switch wins over the one here.",
  "Viewers cannot open": "Ask an operator or owner.",
};

function Services({ device }: { device: Device }) {
  const closed = whyClosed(device);
  return (
    <Section title="Services" id="services">
      {closed && <p class="note"><strong>{closed}.</strong> {remedies[closed]}{" "}
        {closed === "Unclaimed" && may("operator") && <Link to={`/claim?serial=${device.serial_id}`}>Claim it</Link>}</p>}
      {device.services.length === 0 ? (
        <p class="muted">The device offers no service.</p>
      ) : (
        <ul class="services-list">
          {device.services.map((service) => (
            <li key={service.name}>
              <span class="service-name">{service.name} <span class="muted">{service.kind}</span></span>
              {service.kind === "http" && !closed && <ServiceButton device={device} service={service} label="Open" />}
              <Command text={connectCommand(device, service)} />
            </li>
          ))}
        </ul>
      )}
      {!closed && <OpenDirectly device={device} />}
    </Section>
  );
}

function Access({ device, name }: { device: Device; name: string }) {
  const act = useAct();
  const mayChange = may("operator") && device.state === "claimed";
  const change = (enabled: boolean): void =>
    act.run(async () => {
      putDevice(await api.setRemoteAccess(name, enabled));
      announce(`Remote access is ${enabled ? "on" : "off"}`);
    });
  return (
    <Section title="Remote access" id="access">
      <div class="switches">
        <label class="switch">
          <input type="checkbox" role="switch" checked={device.remote_access} disabled={!mayChange || act.busy}
            onChange={(event) => change(event.currentTarget.checked)} />
          <span>
            Remote access {device.remote_access ? "on" : "off"}
            <small class="muted">
              {device.remote_access && device.live_sessions > 0
                ? `Switching it off cuts ${count(device.live_sessions)} live session${device.live_sessions === 1 ? "" : "s"}.`
                : "The operator’s switch. Without it nothing on the device can be reached."}
            </small>
          </span>
        </label>
        <p>
          {device.device_switch === null ? (
            <Mark tone="quiet" shape="ring">The device’s own switch is not known yet</Mark>
          ) : device.device_switch ? (
            <Mark tone="good" shape="disc">The device’s own switch is on</Mark>
          ) : (
            <Mark tone="warning" shape="pause">The device’s own switch is off, and it wins</Mark>
          )}
        </p>
      </div>
      <ProblemNote problem={act.problem} />
    </Section>
  );
}

function Identity({ device, name }: { device: Device; name: string }) {
  const { value, problem, reload } = useLoad(`identity ${name} ${device.certificate_expires ?? ""}`, () =>
    api.listCertificates(name),
  );
  const present = value?.certificates.find((one) => one.kind === "operational" && one.state === "issued");
  return (
    <Section title="Identity" id="identity" acts={<Link to={`/devices/${name}/certificates`}>Certificate history</Link>}>
      <ProblemNote problem={problem} retry={reload} />
      <Facts>
        <Fact name="Serial id">{device.serial_id}</Fact>
        <Fact name="Name">{name}</Fact>
        <Fact name="Site"><Link to="/sites">{device.site}</Link></Fact>
        <Fact name="Agent">{device.agent_version || <span class="muted">unknown</span>}</Fact>
        <Fact name="Address">{device.source || <span class="muted">unknown</span>}</Fact>
        <Fact name="First connection"><Time iso={device.connected_at} /></Fact>
        <Fact name="Claimed"><Time iso={device.claimed_at} /></Fact>
        <Fact name="Certificate"><Expiry iso={device.certificate_expires} /></Fact>
        {present && <PresentKey certificate={present} />}
      </Facts>
      {!value && !problem && <Loading what="its certificate" />}
    </Section>
  );
}

function PresentKey({ certificate }: { certificate: Certificate }) {
  return (
    <>
      <Fact name="Key">{certificate.key_algorithm}, made on the device</Fact>
      <Fact name="Key fingerprint"><Fingerprint hex={certificate.spki_sha256} what="key fingerprint" /></Fact>
      <Fact name="Certificate fingerprint"><Fingerprint hex={certificate.sha256} what="certificate fingerprint" /></Fact>
    </>
  );
}
