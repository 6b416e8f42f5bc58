// The methods of a node, and calling one.
import { useEffect, useState } from "preact/hooks";
import * as api from "../api/calls";
import type { RpcMethod, RpcNode } from "../api/types";
import { go, Link, usePlace, withQuery } from "../router";
import { useLoad } from "../state/load";
import { beginCall, lastParams, rememberParams, rpcCallsStore } from "../state/rpc";
import { may } from "../state/session";
import { useStore } from "../state/store";
import { findFault } from "../ui/json";
import { Mark } from "../ui/mark";
import { Loading, ProblemNote, Section } from "../ui/parts";
import { Answer, CallHistory } from "./rpc-answer";
import { nodePath } from "./rpc";

export function CallTab({ node }: { node: RpcNode }) {
  const place = usePlace();
  const all = useStore(rpcCallsStore);
  const calls = all.filter((one) => one.node === node.name);
  const chosen = calls.find((one) => String(one.number) === place.query.get("call")) ?? null;
  const shownMethod = chosen?.method ?? place.query.get("method");
  if (!may("operator")) return <p class="note">Looking is all a viewer may do. Methods are asked for, and called, by operators and owners.</p>;
  if (!node.calls_key) {
    return (
      <p class="note">
        <strong>No key for calls is kept for this node.</strong>{" "}
        {may("owner") ? <>Give it one under <Link to={nodePath(node.name, "/keys")}>Keys</Link>.</> : "An owner gives it one, under Keys."}
      </p>
    );
  }
  return (
    <>
      <Methods key={node.calls_key.kept} node={node} chosen={shownMethod} />
      {chosen && <Answer key={chosen.number} one={chosen} />}
      {calls.length > 0 && <CallHistory calls={calls} shown={chosen?.number} onChosen={(one) => go(withQuery(place, { call: String(one.number), method: one.method }))} />}
    </>
  );
}

function Methods({ node, chosen }: { node: RpcNode; chosen: string | null }) {
  const { value, problem, loading, reload } = useLoad(`methods ${node.name}`, () => api.listRpcMethods(node.name));
  const place = usePlace();
  const method = value?.methods.find((one) => one.name === chosen);
  return (
    <Section title="Methods" id="methods" acts={<button type="button" onClick={reload} disabled={loading}>{loading ? "Asking …" : "Ask again"}</button>}>
      {problem?.kind === "rpc-no-answer" ? <Silence node={node} detail={problem.detail} /> : <ProblemNote problem={problem} retry={reload} />}
      {!value && !problem && <Loading what="the node’s methods, which are asked of it" />}
      {value && (
        <>
          <p class="muted">It knows this console as <code>{value.you}</code> and lets it call:</p>
          <ul class="methods">
            {value.methods.map((one) => (
              <li key={one.name}>
                <Link to={withQuery(place, { method: one.name, call: "" })} data-row aria-current={one.name === chosen ? "true" : undefined}><code>{one.name}</code></Link>
                <span>{one.description || <span class="muted">no description</span>}</span>
                {!one.idempotent && <span class="muted" title="A repetition under the same id gets the same answer">runs once</span>}
              </li>
            ))}
          </ul>
          {method && <CallForm key={method.name} node={node.name} method={method} />}
          {chosen && !method && <p class="note">The node does not offer <code>{chosen}</code> to this console.</p>}
        </>
      )}
    </Section>
  );
}

function Silence({ node, detail }: { node: RpcNode; detail: string }) {
  return (
    <div class="note bad" role="alert">
      <Mark tone="bad" shape="cross">The node does not answer</Mark>
      <p class="sentence">{detail}. That is one of three things, and nobody can tell them apart, since a node is silent towards whoever has no key of it:</p>
      <ul class="reasons">
        <li>it is not there, or not connected to a broker of ours;</li>
        <li>the kept key <code>{node.calls_key?.id}</code> is none of its keys: it was removed, rotated or mistaken for another node’s;</li>
        <li>the broker keeps something back.</li>
      </ul>
    </div>
  );
}

const timeouts = [[2_000, "2 s"], [10_000, "10 s"], [30_000, "30 s"], [120_000, "2 min"], [540_000, "9 min"]] as const;

function CallForm({ node, method }: { node: string; method: RpcMethod }) {
  const place = usePlace();
  const [params, setParams] = useState(lastParams(node, method.name));
  const [timeoutMs, setTimeoutMs] = useState<number>(timeouts.find(([ms]) => ms >= Math.min(method.limit_ms, 540_000))?.[0] ?? 10_000);
  const [busy, setBusy] = useState(false);
  const [tried, setTried] = useState(false);
  useEffect(() => rememberParams(node, method.name, params), [params]);
  const fault = params.trim() === "" ? null : findFault(params);
  const isBare = params.trim() !== "" && !fault && !/^\s*[[{]/.test(params);
  const wrong = fault ? `Line ${fault.line}, column ${fault.column}: ${fault.what}.` : isBare ? "Line 1, column 1: want an object { … } or an array [ … ]." : "";
  const call = async (): Promise<void> => {
    setTried(true);
    if (wrong || busy) return;
    setBusy(true);
    const number = await beginCall(node, method, params, timeoutMs).finally(() => setBusy(false));
    go(withQuery(place, { method: method.name, call: String(number) }), "replace");
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    void call();
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    void call();
  };
  return (
    <form class="call-form" onSubmit={submit} aria-label={`Call ${method.name}`}>
      <label class="field">
        <span>Params of <strong>{method.name}</strong>, as JSON; nothing where it takes none</span>
        <textarea rows={Math.min(12, Math.max(4, params.split("\n").length + 1))} value={params} spellcheck={false} autoComplete="off" autoCapitalize="none" placeholder="{ }"
          aria-invalid={wrong && tried ? "true" : undefined} aria-describedby="params-fault" onKeyDown={onKey}
          onInput={(event) => setParams(event.currentTarget.value)} />
      </label>
      <p id="params-fault" class="fault" aria-live="polite">{wrong}</p>
      <div class="inline-form">
        <label class="check">
          Wait for
          <select value={timeoutMs} onChange={(event) => setTimeoutMs(Number(event.currentTarget.value))}>
            {timeouts.map(([ms, text]) => <option key={ms} value={ms}>{text}</option>)}
          </select>
        </label>
        <button type="submit" class="primary" disabled={busy || wrong !== ""}>{busy ? "Sending …" : `Call ${method.name}`}</button>
        <span class="muted">{method.idempotent ? "Running it twice does no harm." : "It runs once, however often it is asked for under its id."}</span>
      </div>
    </form>
  );
}
