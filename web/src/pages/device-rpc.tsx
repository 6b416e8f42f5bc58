// The nodes that a device is, for who looks at the device.
import { Link } from "../router";
import { Loading, ProblemNote, Section } from "../ui/parts";
import { nodePath, useRpcNodes, VerdictMark } from "./rpc";

export function DeviceRpcTab({ name }: { name: string }) {
  const { value, problem, reload } = useRpcNodes();
  const own = value?.nodes.filter((one) => one.device === name || (one.device === null && one.name === name)) ?? [];
  return (
    <Section title="Nodes of this device" id="device-nodes">
      <ProblemNote problem={problem} retry={reload} />
      {!value && !problem && <Loading what="the nodes" />}
      {value && own.length === 0 && (
        <p class="muted">
          {value.configured
            ? "None tells of itself as this device. A node that is called by API keys alone does not say whose it is; it is under its own name on the RPC page."
            : "Nodes are not called from here yet."}{" "}
          <Link to="/rpc">RPC</Link>
        </p>
      )}
      <ul class="brokers">
        {own.map((one) => (
          <li key={one.name}>
            <Link to={nodePath(one.name)} data-row>{one.name}</Link>
            <VerdictMark node={one} />
            <span class="muted">{one.calls_key ? "methods and calls" : "no key for calls is kept"}</span>
          </li>
        ))}
      </ul>
    </Section>
  );
}
