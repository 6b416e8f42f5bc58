// The keys by which this installation calls a node: given once, kept for that node alone, never shown again.
import { useState } from "preact/hooks";
import * as api from "../api/calls";
import type { KeyPurpose, RpcKeptKey, RpcNode } from "../api/types";
import { announce } from "../ui/announce";
import { Dialog, StepUp, useDangerousAct } from "../ui/dialog";
import { Section, Time } from "../ui/parts";

const purposes: Record<KeyPurpose, { title: string; text: string }> = {
  calls: { title: "For calls", text: "Operators call with it. It is never used for methods keys.…, whatever its rules allow." },
  keys: { title: "For the node’s keys", text: "Owners list, make, rotate and remove the node’s keys with it. It needs a rule for keys.*, and whoever has such a key can do everything at the node." },
};

export function KeptKeys({ node, onChanged }: { node: RpcNode; onChanged: () => void }) {
  const [keeping, setKeeping] = useState<KeyPurpose | null>(null);
  const [forgetting, setForgetting] = useState<KeyPurpose | null>(null);
  const row = (purpose: KeyPurpose, kept: RpcKeptKey) => (
    <li>
      <div>
        <h3>{purposes[purpose].title}</h3>
        <p class="muted">{purposes[purpose].text}</p>
        <p>{kept ? <>Key <code>{kept.id}</code>, kept <Time iso={kept.kept} /> by {kept.by}</> : "None is kept."}</p>
      </div>
      <p class="key-acts">
        <button type="button" aria-label={`${kept ? "Replace" : "Keep"} the key ${purposes[purpose].title.toLowerCase()}`} onClick={() => setKeeping(purpose)}>{kept ? "Replace …" : "Keep a key …"}</button>
        {kept && <button type="button" class="danger" aria-label={`Forget the key ${purposes[purpose].title.toLowerCase()}`} onClick={() => setForgetting(purpose)}>Forget …</button>}
      </p>
    </li>
  );
  return (
    <Section title="Kept here" id="kept">
      <ul class="kept-keys">
        {row("calls", node.calls_key)}
        {row("keys", node.keys_key)}
      </ul>
      {keeping && <KeepDialog node={node.name} purpose={keeping} onClose={() => setKeeping(null)} onKept={onChanged} />}
      {forgetting && <ForgetDialog node={node.name} purpose={forgetting} onClose={() => setForgetting(null)} onForgotten={onChanged} />}
    </Section>
  );
}

interface KeepProps {
  node?: string;
  purpose?: KeyPurpose;
  onClose: () => void;
  onKept: (node: string) => void;
}

export function KeepDialog({ node, purpose, onClose, onKept }: KeepProps) {
  const [name, setName] = useState(node ?? "");
  const [chosen, setChosen] = useState<KeyPurpose>(purpose ?? "calls");
  const [key, setKey] = useState("");
  const act = useDangerousAct();
  const submit = (event: Event): void => {
    event.preventDefault();
    act.run(async () => {
      const kept = await api.keepRpcKey(name.trim(), chosen, key.trim());
      setKey("");
      announce(`Kept the key ${kept.id} for ${name.trim()}`);
      onKept(name.trim());
      onClose();
    });
  };
  return (
    <Dialog title={node ? `Keep a key for ${node}` : "Keep a key for a node"} onClose={onClose}>
      <form class="dialog-fields" onSubmit={submit}>
        {!node && (
          <label class="field">
            Node
            <input value={name} required pattern="[A-Za-z0-9._\-]{1,64}" title="1 to 64 letters, digits and . _ -" autoComplete="off" autoCapitalize="none" spellcheck={false} disabled={act.asking}
              onInput={(event) => setName(event.currentTarget.value)} />
          </label>
        )}
        {!purpose && (
          <label class="field">
            What it is for
            <select value={chosen} disabled={act.asking} onChange={(event) => setChosen(event.currentTarget.value as KeyPurpose)}>
              <option value="calls">For calls</option>
              <option value="keys">For the node’s keys</option>
            </select>
          </label>
        )}
        <p>{purposes[chosen].text}</p>
        <label class="field">
          <span>The line that was shown when it was made, <code>spk1_…</code></span>
          <input type="password" value={key} required autoComplete="off" spellcheck={false} disabled={act.asking} onInput={(event) => setKey(event.currentTarget.value)} />
        </label>
        <p class="muted">What is kept is derived of it, opens this node alone, and cannot be had back.</p>
        {!act.asking && (
          <div class="dialog-acts">
            <button type="button" onClick={onClose}>Leave it as it is</button>
            <button type="submit" class="primary" disabled={act.busy}>{act.busy ? "Keeping …" : "Keep it"}</button>
          </div>
        )}
      </form>
      <StepUp act={act} />
    </Dialog>
  );
}

function ForgetDialog({ node, purpose, onClose, onForgotten }: { node: string; purpose: KeyPurpose; onClose: () => void; onForgotten: () => void }) {
  const act = useDangerousAct();
  const forget = (): void =>
    act.run(async () => {
      await api.forgetRpcKey(node, purpose);
      announce(`The key for ${node} is forgotten`);
      onForgotten();
      onClose();
    });
  return (
    <Dialog title={`Forget the key ${purposes[purpose].title.toLowerCase()}?`} onClose={onClose}>
      <ul class="consequences">
        <li>{purpose === "calls" ? `Nobody calls ${node} from here until another key is kept.` : `The keys of ${node} are managed elsewhere until another key is kept.`}</li>
        <li>The node goes on knowing the key: whoever has it elsewhere can use it.</li>
        <li>It can be kept again by who has its line.</li>
      </ul>
      {!act.asking && (
        <div class="dialog-acts">
          <button type="button" onClick={onClose}>Leave it as it is</button>
          <button type="button" class="danger" disabled={act.busy} onClick={forget}>{act.busy ? "Forgetting …" : "Forget"}</button>
        </div>
      )}
      <StepUp act={act} />
    </Dialog>
  );
}
