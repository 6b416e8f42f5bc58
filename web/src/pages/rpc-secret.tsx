// A secret of a node, as the node has told it: once.
import type { RpcNewSecret } from "../api/types";
import { CopyButton } from "../ui/parts";

// Shown once: nothing keeps it but this dialog, and it goes with it.
export function SecretOnce({ made, id, onClose }: { made: RpcNewSecret; id: string; onClose: () => void }) {
  return (
    <div class="secret">
      <p><strong>This is the only time that it is shown.</strong> Give it to whoever shall call, over a way that nobody else reads.</p>
      <p class="secret-line"><code tabIndex={0}>{made.key}</code> <CopyButton text={made.key} what={`key ${id}`} /></p>
      {made.kept && <p>It is kept here too, in place of the one before.</p>}
      <div class="dialog-acts"><button type="button" class="primary" onClick={onClose}>I have it</button></div>
    </div>
  );
}
