// The filters above the table. They compose, and together they are the address: a view is kept by keeping its link.
import { useMemo } from "preact/hooks";
import { go, Link, usePlace, withQuery } from "../router";
import { fleetStore } from "../state/devices";
import { conditions, conditionWord } from "../ui/mark";
import { CopyButton } from "../ui/parts";
import { type DeviceFilter, isFiltered } from "./device-filter";

export function FilterBar({ filter }: { filter: DeviceFilter }) {
  const place = usePlace();
  const { byKey } = fleetStore.value;
  const sites = useMemo(() => [...new Set([...byKey.values()].map((device) => device.site))].sort(), [byKey, byKey.size]);
  const change = (changes: Record<string, string>): void => go(withQuery(place, changes), "replace");
  return (
    <div class="filters" role="group" aria-label="Filters">
      <Choice name="State" value={filter.condition} onChange={(state) => change({ state })}
        options={[["", "Any state"], ...conditions.map((value) => [value, conditionWord(value)] as const)]} />
      <Choice name="Site" value={filter.site} onChange={(site) => change({ site })}
        options={[["", "Any site"], ...sites.map((value) => [value, value] as const)]} />
      <Choice name="Certificate" value={String(filter.expiresWithinDays ?? "")} onChange={(expires) => change({ expires })}
        options={[["", "Any certificate"], ["7", "Expires in 7 days"], ["30", "Expires in 30 days"], ["90", "Expires in 90 days"]]} />
      <Choice name="Silence" value={String(filter.silentForDays ?? "")} onChange={(silent) => change({ silent })}
        options={[["", "Seen any time"], ["1", "Silent for a day"], ["7", "Silent for 7 days"], ["30", "Silent for 30 days"]]} />
      <label class="check">
        <input type="checkbox" checked={filter.alarmed} onChange={(event) => change({ alarms: event.currentTarget.checked ? "1" : "" })} />
        Alarms only
      </label>
      {filter.version && <span class="chip">Agent {filter.version}</span>}
      {isFiltered(filter) && (
        <>
          <Link to="/devices">Clear</Link>
          <CopyButton text={window.location.href} what="link to this view" label="Copy link" />
        </>
      )}
    </div>
  );
}

interface ChoiceProps {
  name: string;
  value: string;
  options: readonly (readonly [string, string])[];
  onChange: (value: string) => void;
}

export function Choice({ name, value, options, onChange }: ChoiceProps) {
  const known = options.some(([option]) => option === value);
  return (
    <select aria-label={name} value={value} class={value ? "set" : ""} onChange={(event) => onChange(event.currentTarget.value)}>
      {options.map(([option, title]) => <option key={option} value={option}>{title}</option>)}
      {!known && <option value={value}>{value}</option>}
    </select>
  );
}
