// The keys of a node: who may call what there.
import { useState } from "preact/hooks";
import * as api from "../api/calls";
import type { RpcKey, RpcNewSecret, RpcNode } from "../api/types";
import { useLoad } from "../state/load";
import { announce } from "../ui/announce";
import { Dialog, StepUp, useDangerousAct } from "../ui/dialog";
import { count } from "../ui/format";
import { Mark } from "../ui/mark";
import { Expiry, Loading, ProblemNote, Section, Time } from "../ui/parts";
import { KeptKeys } from "./rpc-kept";
import { NewKeyDialog } from "./rpc-new-key";
import { SecretOnce } from "./rpc-secret";

type Asking = { act: "add" } | { act: "rotate" | "remove"; key: RpcKey };

export function KeysTab({ node, onChanged }: { node: RpcNode; onChanged: () => void }) {
  return (
    <>
      <KeptKeys node={node} onChanged={onChanged} />
      {node.keys_key ? (
        <NodeKeys node={node} onChanged={onChanged} />
      ) : (
        <Section title="Keys of the node" id="keys">
          <p class="note">They are read and changed through the node itself, with a key that may <code>keys.*</code>. None is kept for that; on the device, <code>sallyport-agent rpc key-add</code> makes one.</p>
        </Section>
      )}
    </>
  );
}

function NodeKeys({ node, onChanged }: { node: RpcNode; onChanged: () => void }) {
  const { value, problem, loading, reload } = useLoad(`keys ${node.name} ${node.keys_key?.kept}`, () => api.listRpcKeys(node.name));
  const [asking, setAsking] = useState<Asking | null>(null);
  const done = (): void => {
    reload();
    onChanged();
  };
  const close = (): void => setAsking(null);
  return (
    <Section title="Keys of the node" id="keys" acts={<button type="button" onClick={reload} disabled={loading}>{loading ? "Asking …" : "Ask again"}</button>}>
      <ProblemNote problem={problem} retry={reload} />
      {!value && !problem && <Loading what="the node’s keys, which are asked of it" />}
      {value && (
        <>
          <p><button type="button" class="primary" onClick={() => setAsking({ act: "add" })}>Add a key …</button></p>
          <KeyTable node={node} keys={value.keys} onAsked={setAsking} />
        </>
      )}
      {asking?.act === "add" && <NewKeyDialog node={node.name} onClose={close} onMade={done} />}
      {asking?.act === "rotate" && <RotateDialog node={node} known={asking.key} onClose={close} onDone={done} />}
      {asking?.act === "remove" && <RemoveDialog node={node} known={asking.key} onClose={close} onDone={done} />}
    </Section>
  );
}

// Whether one of the keys that are kept here is this one.
const isKept = (node: RpcNode, key: RpcKey): boolean => node.calls_key?.id === key.id || node.keys_key?.id === key.id;

function KeyTable({ node, keys, onAsked }: { node: RpcNode; keys: readonly RpcKey[]; onAsked: (asking: Asking) => void }) {
  if (keys.length === 0) return <p class="muted">The node knows no key.</p>;
  return (
    <div class="scroll-x" tabIndex={0} role="group" aria-label="Keys of the node">
      <table class="keys">
        <thead>
          <tr>
            <th scope="col">Key</th>
            <th scope="col">May call</th>
            <th scope="col">Items</th>
            <th scope="col" class="number">A minute</th>
            <th scope="col">Made</th>
            <th scope="col">Ends</th>
            <th scope="col">Acts</th>
          </tr>
        </thead>
        <tbody>
          {keys.map((one) => (
            <tr key={one.id}>
              <th scope="row">
                <code>{one.id}</code> {isKept(node, one) && <Mark tone="accent" shape="disc">kept here</Mark>}
                {one.comment && <small class="muted">{one.comment}</small>}
              </th>
              <td><Rules allow={one.allow} deny={one.deny} none="nothing" /></td>
              <td><Rules allow={one.items} deny={one.deny_items} none="any" /></td>
              <td class="number">{count(one.calls_per_minute)}</td>
              <td><Time iso={one.made} />{one.secrets > 1 && <small class="muted">the secret before is still good</small>}</td>
              <td>{one.expires ? <Expiry iso={one.expires} /> : <span class="muted">never</span>}</td>
              <td>
                <span class="key-acts">
                  <button type="button" aria-label={`Rotate ${one.id}`} onClick={() => onAsked({ act: "rotate", key: one })}>Rotate …</button>
                  <button type="button" class="danger" aria-label={`Remove ${one.id}`} onClick={() => onAsked({ act: "remove", key: one })}>Remove …</button>
                </span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Rules({ allow, deny, none }: { allow: readonly string[]; deny: readonly string[]; none: string }) {
  return (
    <>
      {allow.length > 0 ? <code>{allow.join("  ")}</code> : <span class="muted">{none}</span>}
      {deny.length > 0 && <small>but not <code>{deny.join("  ")}</code></small>}
    </>
  );
}

interface KeyDialogProps {
  node: RpcNode;
  known: RpcKey;
  onClose: () => void;
  onDone: () => void;
}

const overlaps = [[0, "none: at once"], [3_600, "1 hour"], [86_400, "1 day"], [604_800, "7 days"], [2_592_000, "30 days"]] as const;

function RotateDialog({ node, known, onClose, onDone }: KeyDialogProps) {
  const [overlap, setOverlap] = useState(86_400);
  const isOurs = isKept(node, known);
  const [made, setMade] = useState<RpcNewSecret | null>(null);
  const act = useDangerousAct();
  const rotate = (event: Event): void => {
    event.preventDefault();
    act.run(async () => {
      setMade(await api.rotateRpcKey(node.name, known.id, overlap));
      announce(`Key ${known.id} has a new secret`);
      onDone();
    });
  };
  return (
    <Dialog title={made ? `New secret of ${known.id}` : `A new secret for ${known.id}?`} onClose={onClose}>
      {made ? (
        <SecretOnce made={made} id={known.id} onClose={onClose} />
      ) : (
        <form onSubmit={rotate}>
          <ul class="consequences">
            <li>The node makes a new secret, which is shown once.</li>
            <li>{overlap === 0 ? "The present secret ends at once: whoever calls with it is silently refused." : "The present secret stays good for the overlap, then ends by itself."}</li>
            {known.secrets > 1 && <li>The secret of the last rotation, which is still good, ends at once.</li>}
            {isOurs && <li>This console calls with it, and goes on with the new one. Should the answer be lost on the way, it goes on with the present one for the overlap, so there has to be one.</li>}
          </ul>
          <label class="field">
            Overlap
            <select value={overlap} disabled={act.asking} onChange={(event) => setOverlap(Number(event.currentTarget.value))}>
              {overlaps.filter(([value]) => value > 0 || !isOurs).map(([value, text]) => <option key={value} value={value}>{text}</option>)}
            </select>
          </label>
          {!act.asking && (
            <div class="dialog-acts">
              <button type="button" onClick={onClose}>Leave it as it is</button>
              <button type="submit" class="primary" disabled={act.busy}>{act.busy ? "Asking the node …" : "Rotate"}</button>
            </div>
          )}
        </form>
      )}
      {!made && <StepUp act={act} />}
    </Dialog>
  );
}

function RemoveDialog({ node, known, onClose, onDone }: KeyDialogProps) {
  const [typed, setTyped] = useState("");
  const act = useDangerousAct();
  const remove = (event: Event): void => {
    event.preventDefault();
    act.run(async () => {
      await api.removeRpcKey(node.name, known.id, typed.trim());
      announce(`Key ${known.id} is removed`);
      onClose();
      onDone();
    });
  };
  return (
    <Dialog title={`Remove the key ${known.id}?`} onClose={onClose}>
      <form onSubmit={remove}>
        <ul class="consequences">
          <li>Whoever calls with it is cut within a second, and silently refused from then on.</li>
          {node.calls_key?.id === known.id && <li>This console calls the node with it: nobody calls from here until another key is kept.</li>}
          {node.keys_key?.id === known.id && <li>This console manages the node’s keys with it: after this they are managed on the device, or by another key.</li>}
          <li>It cannot be undone. A new key of the same id has another secret.</li>
        </ul>
        <label class="field">
          <span>Type the key’s id <strong>{known.id}</strong> to confirm</span>
          <input value={typed} autoComplete="off" autoCapitalize="none" spellcheck={false} disabled={act.asking} onInput={(event) => setTyped(event.currentTarget.value)} />
        </label>
        {!act.asking && (
          <div class="dialog-acts">
            <button type="button" onClick={onClose}>Leave it as it is</button>
            <button type="submit" class="danger" disabled={act.busy || typed.trim() !== known.id}>{act.busy ? "Asking the node …" : "Remove"}</button>
          </div>
        )}
      </form>
      <StepUp act={act} />
    </Dialog>
  );
}
