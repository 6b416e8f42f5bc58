// A new key of a node: what it may, then its secret, once.
import { useState } from "preact/hooks";
import * as api from "../api/calls";
import type { RpcNewSecret } from "../api/types";
import { now } from "../state/clock";
import { announce } from "../ui/announce";
import { Dialog, StepUp, useDangerousAct } from "../ui/dialog";
import { day } from "../ui/format";
import { SecretOnce } from "./rpc-secret";

const words = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== "");
const lives = [[0, "never"], [7, "in 7 days"], [30, "in 30 days"], [365, "in a year"]] as const;

export function NewKeyDialog({ node, onClose, onMade }: { node: string; onClose: () => void; onMade: () => void }) {
  const [id, setId] = useState("");
  const [allow, setAllow] = useState("test info");
  const [deny, setDeny] = useState("");
  const [items, setItems] = useState("");
  const [rate, setRate] = useState("600");
  const [days, setDays] = useState(0);
  const [comment, setComment] = useState("");
  const [made, setMade] = useState<RpcNewSecret | null>(null);
  const act = useDangerousAct();
  const manages = words(allow).some((rule) => rule.startsWith("keys."));
  const submit = (event: Event): void => {
    event.preventDefault();
    act.run(async () => {
      const secret = await api.addRpcKey(node, {
        id: id.trim(),
        allow: words(allow),
        calls_per_minute: Number(rate),
        ...(words(deny).length > 0 ? { deny: words(deny) } : {}),
        ...(words(items).length > 0 ? { items: words(items) } : {}),
        ...(comment.trim() ? { comment: comment.trim() } : {}),
        ...(days > 0 ? { expires: new Date(now() + days * day).toISOString().replace(/\.\d+Z$/, "Z") } : {}),
      });
      setMade(secret);
      announce(`Key ${id.trim()} is made`);
      onMade();
    });
  };
  const field = { autoComplete: "off", autoCapitalize: "none", spellcheck: false, disabled: act.asking } as const;
  return (
    <Dialog title={made ? `The key ${id.trim()}` : `Add a key to ${node}`} onClose={onClose}>
      {made ? (
        <SecretOnce made={made} id={id.trim()} onClose={onClose} />
      ) : (
        <form class="dialog-fields" onSubmit={submit}>
          <label class="field">
            Id
            <input value={id} required pattern="[a-z0-9._\-]{1,32}" title="1 to 32 of a-z 0-9 . _ -" {...field} onInput={(event) => setId(event.currentTarget.value)} />
          </label>
          <label class="field">
            <span>May call: methods, * for any text</span>
            <input value={allow} required {...field} onInput={(event) => setAllow(event.currentTarget.value)} />
          </label>
          {manages && <p class="note warning">A rule for <code>keys.</code> is a rule for everything: its holder can make any key.</p>}
          <label class="field">
            <span>But not: methods; these win</span>
            <input value={deny} {...field} onInput={(event) => setDeny(event.currentTarget.value)} />
          </label>
          <label class="field">
            <span>Items that its calls may name; any without</span>
            <input value={items} {...field} onInput={(event) => setItems(event.currentTarget.value)} />
          </label>
          <label class="field">
            Calls a minute
            <input type="number" value={rate} min={1} max={1_000_000} required disabled={act.asking} onInput={(event) => setRate(event.currentTarget.value)} />
          </label>
          <label class="field">
            Ends
            <select value={days} disabled={act.asking} onChange={(event) => setDays(Number(event.currentTarget.value))}>
              {lives.map(([value, text]) => <option key={value} value={value}>{text}</option>)}
            </select>
          </label>
          <label class="field">
            Comment
            <input value={comment} maxLength={100} disabled={act.asking} onInput={(event) => setComment(event.currentTarget.value)} />
          </label>
          {!act.asking && (
            <div class="dialog-acts">
              <button type="button" onClick={onClose}>Leave it as it is</button>
              <button type="submit" class="primary" disabled={act.busy}>{act.busy ? "Asking the node …" : "Make the key"}</button>
            </div>
          )}
        </form>
      )}
      {!made && <StepUp act={act} />}
    </Dialog>
  );
}
