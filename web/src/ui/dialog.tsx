// The one kind of modal there is: for acts that cannot simply be taken back.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api/calls";
import { asProblem, type Problem } from "../api/http";
import { ProblemNote } from "./parts";

export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close(); // gives the focus back
  }, []);
  return (
    <dialog ref={element} class="dialog" aria-labelledby="dialog-title" onClose={onClose}>
      <h2 id="dialog-title">{title}</h2>
      {children}
    </dialog>
  );
}

// A dangerous act: `act` runs; if the server wants the password shown again, this asks for it and runs `act` once more.
export function useDangerousAct(): {
  busy: boolean;
  problem: Problem | null;
  asking: boolean;
  run: (act: () => Promise<void>) => void;
  confirm: (password: string) => void;
  reset: () => void;
} {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [waiting, setWaiting] = useState<(() => Promise<void>) | null>(null);

  const attempt = async (act: () => Promise<void>, password?: string): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      if (password !== undefined) await api.stepUp(password);
      await act();
      setWaiting(null);
    } catch (error) {
      const found = asProblem(error);
      if (found.kind === "step-up-required" && password === undefined) setWaiting(() => act);
      else setProblem(found);
    } finally {
      setBusy(false);
    }
  };
  return {
    busy,
    problem,
    asking: waiting !== null,
    run: (act) => void attempt(act),
    confirm: (password) => waiting && void attempt(waiting, password),
    reset: () => {
      setWaiting(null);
      setProblem(null);
    },
  };
}

// The password field of a step-up, shown inside the form of the act.
export function StepUp({ act }: { act: ReturnType<typeof useDangerousAct> }) {
  const [password, setPassword] = useState("");
  if (!act.asking) return <ProblemNote problem={act.problem} />;
  const submit = (event: Event): void => {
    event.preventDefault();
    act.confirm(password);
    setPassword("");
  };
  return (
    <form class="step-up" onSubmit={submit}>
      <p>This needs your password again, because it was last given more than five minutes ago.</p>
      <label class="field">
        Your password
        <input type="password" autoComplete="current-password" required value={password}
          onInput={(event) => setPassword(event.currentTarget.value)} ref={focus} />
      </label>
      <ProblemNote problem={act.problem} />
      <button type="submit" class="primary" disabled={act.busy}>Confirm</button>
    </form>
  );
}

const focus = (element: HTMLElement | null): void => element?.focus();
