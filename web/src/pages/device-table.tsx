// The table of devices: of 100,000 rows only those near the screen exist.
import { useRef } from "preact/hooks";
import type { Device } from "../api/types";
import { Link } from "../router";
import { deviceKey } from "../state/devices";
import { may } from "../state/session";
import { counted } from "../ui/format";
import { ConditionMark, Mark } from "../ui/mark";
import { Expiry, Time } from "../ui/parts";
import { ServiceButton, whyClosed } from "../ui/services";
import { useRows, useWide } from "../ui/window";
import { type DeviceFilter, displayName, type SortKey } from "./device-filter";

// The same figures as --row in styles/tables.css.
const rowHeight = 44;
const narrowRowHeight = 84;
const shownServices = 2;

const columns: readonly { key: string; title: string; sort?: SortKey }[] = [
  { key: "state", title: "State", sort: "state" },
  { key: "device", title: "Device", sort: "name" },
  { key: "services", title: "Open" },
  { key: "site", title: "Site", sort: "site" },
  { key: "seen", title: "Last seen", sort: "seen" },
  { key: "rtt", title: "RTT", sort: "rtt" },
  { key: "certificate", title: "Certificate", sort: "certificate" },
  { key: "alarms", title: "Alarms" },
];

interface Props {
  devices: readonly Device[];
  filter: DeviceFilter;
  onSort: (sort: string) => void;
}

export function DeviceTable({ devices, filter, onSort }: Props) {
  const body = useRef<HTMLTableSectionElement>(null);
  const wide = useWide("(min-width: 720px)");
  const height = wide ? rowHeight : narrowRowHeight;
  const { first, last } = useRows(body, devices.length, height);
  return (
    <table class="devices" aria-label="Devices" aria-rowcount={devices.length + 1}>
      <thead>
        <tr aria-rowindex={1}>
          {columns.map((column) => (
            <th key={column.key} scope="col" class={column.key} aria-sort={sortState(column.sort, filter)}>
              {column.sort ? (
                <button type="button" onClick={() => onSort(nextSort(column.sort as SortKey, filter))}>{column.title}</button>
              ) : (
                column.title
              )}
            </th>
          ))}
        </tr>
      </thead>
      <tbody ref={body}>
        <Spacer height={first * height} />
        {devices.slice(first, last).map((device, index) => (
          <Row key={deviceKey(device)} device={device} index={first + index + 2} />
        ))}
        <Spacer height={(devices.length - last) * height} />
      </tbody>
    </table>
  );
}

function Spacer({ height }: { height: number }) {
  if (height <= 0) return null;
  return (
    <tr class="spacer" aria-hidden="true">
      <td colSpan={columns.length} style={{ height: `${height}px` }} />
    </tr>
  );
}

const sortState = (key: SortKey | undefined, filter: DeviceFilter) =>
  key === undefined || key !== filter.sort ? undefined : filter.descending ? "descending" : "ascending";

const nextSort = (key: SortKey, filter: DeviceFilter): string =>
  key === filter.sort && !filter.descending ? `-${key}` : key;

function Row({ device, index }: { device: Device; index: number }) {
  return (
    <tr aria-rowindex={index}>
      <td class="state"><ConditionMark device={device} /></td>
      <th scope="row" class="device">
        <Name device={device} />
      </th>
      <td class="services"><Services device={device} /></td>
      <td class="site">{device.site}</td>
      <td class="seen">{device.online ? "now" : <Time iso={device.last_seen} />}</td>
      <td class="rtt number">{device.rtt_ms === null ? <span class="muted">–</span> : `${device.rtt_ms} ms`}</td>
      <td class="certificate number"><Expiry iso={device.certificate_expires} short /></td>
      <td class="alarms">
        {device.alarms.length > 0 && (
          <span title={device.alarms.map((alarm) => `${alarm.kind}: ${alarm.detail}`).join("\n")}>
            <Mark tone="bad" shape="triangle">{counted(device.alarms.length, "alarm")}</Mark>
          </span>
        )}
      </td>
    </tr>
  );
}

function Name({ device }: { device: Device }) {
  const name = displayName(device);
  return (
    <>
      {device.name ? (
        <Link to={`/devices/${device.name}`} data-row>{name}</Link>
      ) : (
        <span>{name}</span>
      )}
      {device.alias && <span class="serial muted">{device.serial_id}</span>}
    </>
  );
}

function Services({ device }: { device: Device }) {
  const closed = whyClosed(device);
  if (closed === "Offline") return device.last_seen ? <span class="muted narrow-only">last seen <Time iso={device.last_seen} /></span> : null;
  if (closed === "Unclaimed" && may("operator")) return <Link to={`/claim?serial=${device.serial_id}`}>Claim</Link>;
  if (closed) return <span class="muted">{closed}</span>;
  const extra = device.services.length - shownServices;
  return (
    <>
      {device.services.slice(0, shownServices).map((service) => (
        <ServiceButton key={service.name} device={device} service={service} />
      ))}
      {extra > 0 && <Link to={`/devices/${device.name ?? ""}`} class="more">+{extra}</Link>}
      {device.services.length === 0 && <span class="muted">No services</span>}
    </>
  );
}
