// Who is there, who is not. Values change in place; order and choice change only when the person asks.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Device } from "../api/types";
import { go, Link, usePlace, withQuery } from "../router";
import { now } from "../state/clock";
import { deviceKey, fleetStore, loadDevices } from "../state/devices";
import { onEvent } from "../state/events";
import { may } from "../state/session";
import { useStore } from "../state/store";
import { announce } from "../ui/announce";
import { count, counted } from "../ui/format";
import { conditionOf } from "../ui/mark";
import { Command, Empty, Loading, PageHead, ProblemNote } from "../ui/parts";
import { type DeviceFilter, inOrder, matches, readFilter } from "./device-filter";
import { FilterBar } from "./device-filter-bar";
import { DeviceTable } from "./device-table";

export function DevicesPage() {
  const place = usePlace();
  const fleet = useStore(fleetStore);
  const filterText = place.query.toString();
  const filter = useMemo(() => readFilter(place.query), [filterText]);
  const [turn, setTurn] = useState(0);
  const loadedSoFar = fleet.status === "loading" ? fleet.byKey.size : -1;
  const order = useMemo(() => {
    const at = now();
    const chosen = [...fleet.byKey.values()].filter((device) => matches(device, filter, at));
    return inOrder(chosen, filter).map(deviceKey);
  }, [filter, turn, fleet.byKey, loadedSoFar]);
  const waiting = useNewcomers(order, filter);
  const devices = order.map((key) => fleet.byKey.get(key)).filter((device): device is Device => device !== undefined);
  const total = fleet.byKey.size;

  return (
    <>
      <PageHead title="Devices" lead={total > 0 ? summary(fleet.byKey) : undefined}>
        {may("operator") && <Link to="/claim" class="button primary">Claim a device</Link>}
      </PageHead>
      <ProblemNote problem={fleet.problem} retry={() => void loadDevices()} />
      {total > 0 && <FilterBar filter={filter} />}
      {waiting > 0 && (
        <button type="button" class="newcomers" onClick={() => setTurn(turn + 1)}>
          {counted(waiting, "more device")} to show
        </button>
      )}
      {devices.length > 0 ? (
        <DeviceTable devices={devices} filter={filter} onSort={(sort) => go(withQuery(place, { sort }), "replace")} />
      ) : fleet.status === "loading" ? (
        <Loading what="devices" />
      ) : total > 0 ? (
        <Empty title="No device matches">
          <p>{counted(total, "device")} in all. <Link to="/devices">Show all</Link></p>
        </Empty>
      ) : (
        !fleet.problem && <FirstDevice />
      )}
      {fleet.status === "loading" && total > 0 && <Loading what={`devices, ${count(total)} so far`} />}
    </>
  );
}

// Counts devices that would be in the table if it were drawn anew.
function useNewcomers(order: readonly string[], filter: DeviceFilter): number {
  const [waiting, setWaiting] = useState<ReadonlySet<string>>(new Set());
  const shown = useRef<ReadonlySet<string>>(new Set());
  useEffect(() => {
    shown.current = new Set(order);
    setWaiting(new Set());
    return onEvent("device", (device) => {
      const key = deviceKey(device);
      if (shown.current.has(key) || fleetStore.value.status === "loading") return;
      setWaiting((before) => {
        const fits = matches(device, filter, now());
        if (fits === before.has(key)) return before;
        const after = new Set(before);
        if (fits) after.add(key);
        else after.delete(key);
        return after;
      });
    });
  }, [order, filter]);
  useEffect(() => {
    if (waiting.size > 0) announce(`${counted(waiting.size, "more device")} to show`);
  }, [waiting]);
  return waiting.size;
}

function summary(devices: Map<string, Device>) {
  let online = 0;
  let offline = 0;
  let alarmed = 0;
  for (const device of devices.values()) {
    const condition = conditionOf(device);
    if (condition === "online") ++online;
    if (condition === "offline") ++offline;
    if (device.alarms.length > 0) ++alarmed;
  }
  return (
    <>
      {count(devices.size)} in all · <Link to="/devices?state=online">{count(online)} online</Link> ·{" "}
      <Link to="/devices?state=offline">{count(offline)} offline</Link>
      {alarmed > 0 && <> · <Link to="/devices?alarms=1">{count(alarmed)} with an alarm</Link></>}
    </>
  );
}

function FirstDevice() {
  return (
    <Empty title="No devices yet">
      <p>Three commands on the device bring the first one here; its factory must be among the <Link to="/sites">sites</Link>.</p>
      <ol class="steps">
        <li>Make its key and get its factory certificate <Command text="sallyport-agent init" /></li>
        <li>Connect; it appears here as unclaimed <Command text="sallyport-agent run" /></li>
        <li>Show its claim code, then <Link to="/claim">claim it</Link> <Command text="sallyport-agent claim-code" /></li>
      </ol>
    </Empty>
  );
}

