// One node: what can be called there, and by what keys.
import type { RpcNode } from "../api/types";
import { Link } from "../router";
import { may } from "../state/session";
import { Fact, Facts, Loading, PageHead, ProblemNote, Time } from "../ui/parts";
import { nodePath, useRpcNodes, VerdictMark } from "./rpc";
import { CallTab } from "./rpc-call";
import { KeysTab } from "./rpc-keys";

const unknown = (name: string): RpcNode => ({
  name, verdict: "untold", reason: "", device: null, until: null, since: null, told: null, answered: null, calls_key: null, keys_key: null,
});

export function RpcNodePage({ name, tab }: { name: string; tab: string }) {
  const { value, problem, reload } = useRpcNodes();
  const node = value?.nodes.find((one) => one.name === name) ?? (value ? unknown(name) : null);
  return (
    <>
      <PageHead title={name} lead={node && <VerdictMark node={node} />}>
        <Link to="/rpc" class="button">All nodes</Link>
      </PageHead>
      <ProblemNote problem={problem} retry={reload} />
      <nav class="tabs" aria-label="About this node">
        <Link to={nodePath(name)} aria-current={tab === "" ? "page" : undefined}>Methods</Link>
        {may("owner") && <Link to={nodePath(name, "/keys")} aria-current={tab === "keys" ? "page" : undefined}>Keys</Link>}
      </nav>
      {!node && !problem && <Loading what="the node" />}
      {node && <About node={node} />}
      {node && tab === "" && <CallTab node={node} />}
      {node && tab === "keys" && may("owner") && <KeysTab node={node} onChanged={reload} />}
    </>
  );
}

function About({ node }: { node: RpcNode }) {
  return (
    <div class="below-tabs">
      {node.verdict === "contested" && <p class="note warning">{node.reason}. A call still reaches only whoever has the key.</p>}
      {node.verdict !== "contested" && node.reason && <p class="note warning">The last that was told of it was refused: {node.reason}.</p>}
      <Facts>
        <Fact name="Device">{node.device ? <Link to={`/devices/${node.device}`}>{node.device}</Link> : <span class="muted">no device has signed for it</span>}</Fact>
        <Fact name="Found"><Time iso={node.since} none="it does not tell of itself" /></Fact>
        {node.until && <Fact name="Says so until"><Time iso={node.until} /></Fact>}
        <Fact name="Last answer"><Time iso={node.answered} none="none since the caller was started" /></Fact>
      </Facts>
    </div>
  );
}
