// The ways into a device, or why there is none now.
import { useState } from "preact/hooks";
import type { Device, Service } from "../api/types";
import { may } from "../state/session";
import { CopyButton } from "./parts";

// Why nothing of the device can be opened, in few words; null if it can.
export function whyClosed(device: Device): string | null {
  if (device.state === "connected") return "Unclaimed";
  if (device.state !== "claimed") return "Not in use";
  if (!device.online) return "Offline";
  if (!device.remote_access) return "Remote access off";
  if (device.device_switch === false) return "Off at the device";
  if (!may("operator")) return "Viewers cannot open";
  return null;
}

export const connectCommand = (device: Device, service: Service): string =>
  `sallyport connect ${device.name ?? ""} ${service.name}`;

export const openAddress = (device: Device, service: Service): string =>
  `/open?device=${encodeURIComponent(device.name ?? "")}&service=${encodeURIComponent(service.name)}`;

// At the port where the device's own agent listens, for whom its network lets reach it there.
export function OpenDirectly({ device }: { device: Device }) {
  const [port, setPort] = useState("");
  const services = device.services.filter((service) => service.kind === "http");
  if (services.length === 0) return null;
  return (
    <details>
      <summary>Open directly, without the relay</summary>
      <p class="muted">Where the agent listens on a port of its own (agent.toml, [direct]) and this computer finds the device by its name.</p>
      <label>
        Port of the device <input inputMode="numeric" pattern="[1-9][0-9]{0,4}" value={port} onInput={(event) => setPort(event.currentTarget.value.trim())} />
      </label>
      {/^[1-9][0-9]{0,4}$/.test(port) && services.map((service) => (
        <a class="button open" key={service.name} href={`${openAddress(device, service)}&direct=${port}`} target="_blank" rel="noopener">
          Open {service.name} at port {port}
        </a>
      ))}
    </details>
  );
}

export function ServiceButton({ device, service, label = service.name }: { device: Device; service: Service; label?: string }) {
  if (service.kind !== "http") {
    return <CopyButton text={connectCommand(device, service)} what={`command for ${service.name}`} label={service.name} />;
  }
  return (
    <a class="button open" data-open href={openAddress(device, service)} target="_blank" rel="noopener"
      aria-label={`Open ${service.name} of ${device.alias || device.serial_id}`}>
      {label}
      <svg viewBox="0 0 12 12" aria-hidden="true"><path d="M4 1h7v7H9.4V3.7L2.6 10.5 1.5 9.4 8.3 2.6H4z" /></svg>
    </a>
  );
}
