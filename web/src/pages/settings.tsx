import { useState } from "preact/hooks";
import * as api from "../api/calls";
import type { Role } from "../api/types";
import { Link } from "../router";
import { useAct, useLoad } from "../state/load";
import { may, sessionStore } from "../state/session";
import { useStore } from "../state/store";
import { announce } from "../ui/announce";
import { StepUp, useDangerousAct } from "../ui/dialog";
import { Mark } from "../ui/mark";
import { Fact, Facts, Loading, PageHead, ProblemNote, Section, Time } from "../ui/parts";
import { Choice } from "./device-filter-bar";

const minPassword = 12;

export function SettingsPage({ tab }: { tab: string }) {
  return (
    <>
      <PageHead title="Settings" />
      <nav class="tabs" aria-label="Settings">
        <Link to="/settings" aria-current={tab === "" ? "page" : undefined}>You</Link>
        {may("owner") && <Link to="/settings/people" aria-current={tab === "people" ? "page" : undefined}>People</Link>}
        <Link to="/settings/installation" aria-current={tab === "installation" ? "page" : undefined}>Installation</Link>
      </nav>
      {tab === "people" ? <People /> : tab === "installation" ? <Installation /> : <You />}
    </>
  );
}

function You() {
  const state = useStore(sessionStore);
  if (state.status !== "in") return null;
  return (
    <>
      <Section title="You" id="you">
        <Facts>
          <Fact name="Login">{state.session.login}</Fact>
          <Fact name="Role">{state.session.role}</Fact>
          <Fact name="Tenant">{state.session.tenant || "all"}</Fact>
          <Fact name="This session ends"><Time iso={state.session.expires} /></Fact>
        </Facts>
      </Section>
      <Password />
    </>
  );
}

function Password() {
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [again, setAgain] = useState("");
  const act = useAct();
  const differs = again !== "" && again !== next;
  const submit = (event: Event): void => {
    event.preventDefault();
    act.run(async () => {
      await api.changePassword(current, next);
      setCurrent("");
      setNext("");
      setAgain("");
      announce("Password changed. Your other sessions have ended.");
    });
  };
  return (
    <Section title="Password" id="password">
      <form class="stack" onSubmit={submit}>
        <PasswordField label="Present password" auto="current-password" value={current} onInput={setCurrent} />
        <PasswordField label={`New password, at least ${minPassword} characters`} auto="new-password" min={minPassword} value={next} onInput={setNext} />
        <PasswordField label="New password again" auto="new-password" value={again} onInput={setAgain} />
        {differs && <p class="note" role="status">The two new passwords differ.</p>}
        <ProblemNote problem={act.problem} />
        <div><button type="submit" class="primary" disabled={act.busy || differs || !again}>Change password</button></div>
      </form>
    </Section>
  );
}

interface PasswordFieldProps {
  label: string;
  auto: "current-password" | "new-password";
  min?: number;
  value: string;
  onInput: (value: string) => void;
}

function PasswordField({ label, auto, min, value, onInput }: PasswordFieldProps) {
  return (
    <label class="field">
      {label}
      <input type="password" required autoComplete={auto} minLength={min} maxLength={1024} value={value}
        onInput={(event) => onInput(event.currentTarget.value)} />
    </label>
  );
}

function People() {
  const { value, problem, reload } = useLoad("users", api.listUsers);
  if (!may("owner")) return <p class="note">Owners see who may log in.</p>;
  return (
    <>
      <Section title="People" id="people">
        <ProblemNote problem={problem} retry={reload} />
        {!value && !problem && <Loading what="people" />}
        {value && (
          <div class="scroll-x" tabIndex={0} role="group" aria-label="People">
            <table>
              <thead><tr><th scope="col">Login</th><th scope="col">Role</th><th scope="col">Tenant</th><th scope="col">Since</th><th scope="col">State</th></tr></thead>
              <tbody>
                {value.users.map((user) => (
                  <tr key={user.login}>
                    <th scope="row">{user.login}</th>
                    <td>{user.role}</td>
                    <td>{user.tenant || "all"}</td>
                    <td><Time iso={user.created} /></td>
                    <td>{user.enabled ? <Mark tone="good" shape="disc">Enabled</Mark> : <Mark tone="quiet" shape="dash">Disabled</Mark>}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Section>
      <NewPerson onDone={reload} />
    </>
  );
}

function NewPerson({ onDone }: { onDone: () => void }) {
  const [login, setLogin] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [password, setPassword] = useState("");
  const act = useDangerousAct();
  const submit = (event: Event): void => {
    event.preventDefault();
    act.run(async () => {
      await api.createUser({ login: login.trim(), role, password });
      announce(`${login.trim()} can log in`);
      setLogin("");
      setPassword("");
      onDone();
    });
  };
  return (
    <Section title="Add a person" id="add-person">
      <form class="stack" onSubmit={submit}>
        <label class="field">
          Login
          <input required pattern="[a-z0-9._@+\-]{1,64}" maxLength={64} autoCapitalize="none" autoComplete="off" spellcheck={false} value={login}
            title="a to z, 0 to 9 and . _ @ + -" onInput={(event) => setLogin(event.currentTarget.value)} />
        </label>
        <div class="field">
          Role
          <Choice name="Role" value={role} onChange={(value) => setRole(value as Role)}
            options={[["viewer", "Viewer: looks"], ["operator", "Operator: opens, claims, suspends"], ["owner", "Owner: revokes, adds people"]]} />
        </div>
        <PasswordField label={`First password, at least ${minPassword} characters`} auto="new-password" min={minPassword} value={password} onInput={setPassword} />
        <div><button type="submit" class="primary" disabled={act.busy}>Add</button></div>
      </form>
      <StepUp act={act} />
    </Section>
  );
}

function Installation() {
  const state = useStore(sessionStore);
  if (state.status !== "in") return null;
  const facts = state.session.console;
  return (
    <Section title="Installation" id="installation">
      <Facts>
        <Fact name="Name">{facts.installation}</Fact>
        <Fact name="Zone of the devices">{facts.zone}</Fact>
        <Fact name="Public port">{facts.public_port}</Fact>
        <Fact name="Version">{facts.version}</Fact>
        <Fact name="REST API"><a href="/api/openapi.yaml">OpenAPI description</a></Fact>
      </Facts>
    </Section>
  );
}
