// Who is logged in. Everything that the server tells about it passes through here.
import * as api from "../api/calls";
import { asProblem, type Problem, setCsrfToken, whenUnauthenticated } from "../api/http";
import type { Role, Session } from "../api/types";
import { setServerTime } from "./clock";
import { Store } from "./store";

export type SessionState =
  | { status: "unknown" }
  | { status: "unreachable"; problem: Problem }
  | { status: "out"; ended: boolean }
  | { status: "in"; session: Session };

export const sessionStore = new Store<SessionState>({ status: "unknown" });

export async function loadSession(): Promise<void> {
  try {
    accept(await api.getSession());
  } catch (error) {
    const problem = asProblem(error);
    if (problem.kind !== "unauthenticated") sessionStore.set({ status: "unreachable", problem });
  }
}

export async function login(loginName: string, password: string): Promise<void> {
  accept(await api.login(loginName, password));
}

export async function logout(): Promise<void> {
  await api.logout();
  leave(false);
}

// Whether the person's role is at least `role`.
export function may(role: Role): boolean {
  const state = sessionStore.value;
  const order: readonly Role[] = ["viewer", "operator", "owner"];
  return state.status === "in" && order.indexOf(state.session.role) >= order.indexOf(role);
}

function accept(session: Session): void {
  setCsrfToken(session.csrf);
  setServerTime(session.console.now);
  sessionStore.set({ status: "in", session });
}

function leave(ended: boolean): void {
  setCsrfToken("");
  sessionStore.set({ status: "out", ended });
}

// Of several requests that the end of a session refuses, the first says so.
whenUnauthenticated(() => {
  const before = sessionStore.value;
  leave(before.status === "in" || (before.status === "out" && before.ended));
});
