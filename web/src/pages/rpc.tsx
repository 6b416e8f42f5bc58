// Which nodes there are, whether what they say of themselves is true, and whether we could call them.
import { useEffect, useState } from "preact/hooks";
import * as api from "../api/calls";
import type { RpcNode, RpcNodes } from "../api/types";
import { go, Link } from "../router";
import { onEvent } from "../state/events";
import { type Loaded, useLoad } from "../state/load";
import { rpcCallsStore } from "../state/rpc";
import { may } from "../state/session";
import { useStore } from "../state/store";
import { count, counted } from "../ui/format";
import { Mark, type Tone } from "../ui/mark";
import { Command, Empty, Loading, PageHead, ProblemNote, Section, Time } from "../ui/parts";
import { CallHistory } from "./rpc-answer";
import { KeepDialog } from "./rpc-kept";

// Besides the events: a caller that has gone says nothing.
const roundMs = 15_000;
// A call that tells much of its progress makes many events.
const settleMs = 500;

export function useRpcNodes(): Loaded<RpcNodes> {
  const loaded = useLoad("rpc nodes", api.listRpcNodes);
  const { reload } = loaded;
  useEffect(() => {
    let waiting = 0;
    const stop = onEvent("rpc", () => {
      if (waiting) return;
      waiting = window.setTimeout(() => {
        waiting = 0;
        reload();
      }, settleMs);
    });
    const timer = window.setInterval(reload, roundMs);
    return () => {
      stop();
      window.clearTimeout(waiting);
      window.clearInterval(timer);
    };
  }, [reload]);
  return loaded;
}

export const nodePath = (name: string, rest = ""): string => `/rpc/${encodeURIComponent(name)}${rest}`;

export function RpcPage() {
  const { value, problem, reload } = useRpcNodes();
  const [keeping, setKeeping] = useState(false);
  const calls = useStore(rpcCallsStore);
  return (
    <>
      <PageHead title="RPC" lead="Methods of devices, called through brokers that can read nothing of it and are not believed.">
        {value?.configured && may("owner") && <button type="button" onClick={() => setKeeping(true)}>Keep a key for a node …</button>}
      </PageHead>
      <ProblemNote problem={problem} retry={reload} />
      {!value && !problem && <Loading what="the nodes" />}
      {value && !value.configured && <HowToBegin />}
      {value?.configured && (
        <>
          <Brokers nodes={value} />
          <Nodes nodes={value} />
        </>
      )}
      {calls.length > 0 && <CallHistory calls={calls} onChosen={(one) => go(nodePath(one.node, `?call=${one.number}`))} />}
      {keeping && <KeepDialog onClose={() => setKeeping(false)} onKept={(node) => go(nodePath(node))} />}
    </>
  );
}

function HowToBegin() {
  return (
    <Empty title="Nodes are not called from here yet">
      <p>It is off until the installation has a broker to call through. A process of its own then holds the connection and the keys, and nobody else does.</p>
      <ol class="steps">
        <li>
          On the server, at the end of <code>sallyport.toml</code> in the installation’s folder:
          <pre class="json" tabIndex={0} role="group" aria-label="Lines of sallyport.toml">{'[[rpc.broker]]\nurl = "mqtts://broker.example"\nca = "broker-ca.pem"'}</pre>
        </li>
        <li>The file with the broker’s CA, and that of a password if there is one, in the folder of that process: <Command text="cp broker-ca.pem /var/lib/sallyport/caller/" /></li>
        <li>Then start the installation again: <Command text="systemctl restart sallyport" /></li>
      </ol>
      <p class="muted">docs/operate/rpc.md, “From the console”, has every key.</p>
    </Empty>
  );
}

function Brokers({ nodes }: { nodes: RpcNodes }) {
  const down = nodes.brokers.filter((one) => !one.connected);
  return (
    <Section title="Brokers" id="brokers">
      {down.length === nodes.brokers.length && (
        <p class="note bad" role="alert">
          <Mark tone="bad" shape="cross">No broker is connected</Mark> Nothing can be called, and no node is heard, until one is. It is tried again by itself.
        </p>
      )}
      <ul class="brokers">
        {nodes.brokers.map((one) => (
          <li key={one.address}>
            {one.connected ? <Mark tone="good" shape="disc">Connected</Mark> : <Mark tone={one.reason ? "bad" : "quiet"} shape={one.reason ? "cross" : "ring"}>{one.reason ? "Down" : "Connecting"}</Mark>}
            <code>{one.address}</code>
            <span class="muted">{one.connected ? <>since <Time iso={one.since} /></> : one.reason}</span>
          </li>
        ))}
      </ul>
      {nodes.left_out > 0 && <p class="note warning">{counted(nodes.left_out, "message")} about nodes {nodes.left_out === 1 ? "was" : "were"} left out: more come than can be looked at, or kept.</p>}
    </Section>
  );
}

const verdicts: Record<RpcNode["verdict"], { tone: Tone; shape: "disc" | "triangle" | "cross" | "ring"; word: string }> = {
  verified: { tone: "good", shape: "disc", word: "Verified" },
  contested: { tone: "warning", shape: "triangle", word: "Contested" },
  refused: { tone: "bad", shape: "cross", word: "Refused" },
  untold: { tone: "quiet", shape: "ring", word: "Says nothing" },
};

export function VerdictMark({ node }: { node: RpcNode }) {
  const look = verdicts[node.verdict];
  return <Mark tone={look.tone} shape={look.shape}>{look.word}</Mark>;
}

function Nodes({ nodes }: { nodes: RpcNodes }) {
  const head = `Nodes (${count(nodes.nodes.length)})`;
  if (nodes.nodes.length === 0) {
    return (
      <Section title={head} id="nodes">
        <p class="muted">
          Nobody tells of himself at {nodes.brokers.length === 1 ? "this broker" : "these brokers"}. Nodes with <code>[identity]</code> in their <code>rpc.toml</code> do; others are listed once a key is
          kept for them{may("owner") ? "" : ", which an owner does"}.
        </p>
      </Section>
    );
  }
  return (
    <Section title={head} id="nodes">
      <div class="scroll-x" tabIndex={0} role="group" aria-label="Nodes">
        <table class="nodes">
          <thead>
            <tr>
              <th scope="col">Node</th>
              <th scope="col">Who says so</th>
              <th scope="col">Device</th>
              <th scope="col">Found</th>
              <th scope="col">Last answer</th>
              <th scope="col">Key for calls</th>
            </tr>
          </thead>
          <tbody>{nodes.nodes.map((one) => <NodeRow key={one.name} node={one} />)}</tbody>
        </table>
      </div>
    </Section>
  );
}

function NodeRow({ node }: { node: RpcNode }) {
  return (
    <tr>
      <th scope="row"><Link to={nodePath(node.name)} data-row>{node.name}</Link></th>
      <td><VerdictMark node={node} />{node.reason && <small class="muted reason">{node.reason}</small>}</td>
      <td>{node.device ? <Link to={`/devices/${node.device}`}>{node.device}</Link> : <span class="muted">not known</span>}</td>
      <td><Time iso={node.since} /></td>
      <td><Time iso={node.answered} none="none yet" /></td>
      <td>{node.calls_key ? <code>{node.calls_key.id}</code> : <span class="muted">none</span>}</td>
    </tr>
  );
}
