import { useEffect, useRef, useState } from "preact/hooks";
import { useAct } from "../state/load";
import { login } from "../state/session";
import { ProblemNote } from "../ui/parts";

export function LoginPage({ ended }: { ended: boolean }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const act = useAct();
  const passwordField = useRef<HTMLInputElement>(null);
  useEffect(() => {
    document.title = "Log in · Sallyport";
  }, []);
  useEffect(() => {
    if (act.problem) passwordField.current?.select();
  }, [act.problem]);
  const submit = (event: Event): void => {
    event.preventDefault();
    act.run(() => login(name.trim(), password));
  };
  return (
    <main class="lone">
      <form class="login" onSubmit={submit}>
        <svg class="login-mark" viewBox="0 0 32 32" aria-hidden="true">
          <path d="M4 29V13a12 12 0 0 1 24 0v16h-6V15a6 6 0 0 0-12 0v14z" />
        </svg>
        <h1>Sallyport</h1>
        {ended && <p class="note" role="status">Your session has ended. Log in to go on where you were.</p>}
        <label class="field">
          Login
          <input name="login" autoComplete="username" autoCapitalize="none" spellcheck={false} required maxLength={64}
            value={name} onInput={(event) => setName(event.currentTarget.value)} ref={focusFirst} />
        </label>
        <label class="field">
          Password
          <input name="password" type="password" autoComplete="current-password" required maxLength={1024} ref={passwordField}
            value={password} onInput={(event) => setPassword(event.currentTarget.value)} />
        </label>
        <ProblemNote problem={act.problem} />
        <button type="submit" class="primary" disabled={act.busy}>{act.busy ? "Logging in …" : "Log in"}</button>
      </form>
    </main>
  );
}

const focusFirst = (element: HTMLInputElement | null): void => {
  if (element && document.activeElement === document.body) element.focus();
};
