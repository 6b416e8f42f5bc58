// One request to the console's API: JSON in, JSON out, every failure a Problem.

const base = "/api/v1";
const deadlineMs = 20_000;

// RFC 9457 problem details, or what stands for them when there was no answer to read.
export class Problem extends Error {
  constructor(
    readonly kind: string, // after "urn:sallyport:problem:"
    readonly title: string,
    readonly status: number,
    readonly detail: string,
    readonly requestId: string,
    readonly retryAfterSeconds: number | null,
  ) {
    super(detail || title);
  }
}

let csrfToken = "";
let onUnauthenticated = (): void => {};

export function setCsrfToken(token: string): void {
  csrfToken = token;
}
// Called whenever the server says that there is no session (any more).
export function whenUnauthenticated(handler: () => void): void {
  onUnauthenticated = handler;
}

type Query = Record<string, string | number | undefined>;

export const get = <T>(path: string, query: Query = {}): Promise<T> => request<T>("GET", path, query);
export const post = <T>(path: string, body: object = {}): Promise<T> => request<T>("POST", path, {}, body);

async function request<T>(method: "GET" | "POST", path: string, query: Query, body?: object): Promise<T> {
  const answer = await send(method, path + queryText(query), body);
  if (!answer.ok) {
    const problem = await readProblem(answer);
    if (problem.kind === "unauthenticated") onUnauthenticated();
    throw problem;
  }
  if (answer.status === 204) return undefined as T;
  try {
    return (await answer.json()) as T;
  } catch {
    throw unreadable(answer);
  }
}

async function send(method: string, path: string, body?: object): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json, application/problem+json" };
  if (body) {
    headers["Content-Type"] = "application/json";
    if (csrfToken) headers["X-CSRF-Token"] = csrfToken;
  }
  try {
    return await fetch(base + path, {
      method,
      headers,
      credentials: "same-origin",
      redirect: "error",
      signal: AbortSignal.timeout(deadlineMs),
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  } catch (error) {
    const late = error instanceof DOMException && error.name === "TimeoutError";
    throw new Problem(
      "unreachable",
      "The console does not answer",
      0,
      late
        ? `No answer within ${deadlineMs / 1000} s. What was asked for may still happen; look before trying again.`
        : "The connection failed. Check the network, then try again.",
      "",
      null,
    );
  }
}

async function readProblem(answer: Response): Promise<Problem> {
  try {
    const body = (await answer.json()) as Record<string, unknown>;
    const text = (key: string): string => (typeof body[key] === "string" ? (body[key] as string) : "");
    const retry = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);
    return new Problem(
      text("type").replace(/^urn:sallyport:problem:/, ""),
      text("title") || `Status ${answer.status}`,
      answer.status,
      text("detail"),
      text("request_id"),
      Number.isFinite(retry) ? retry : null,
    );
  } catch {
    return unreadable(answer);
  }
}

function unreadable(answer: Response): Problem {
  const id = answer.headers.get("X-Request-Id") ?? "";
  return new Problem("unreadable", "The answer cannot be read", answer.status, `Status ${answer.status}, and not JSON.`, id, null);
}

function queryText(query: Query): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") parameters.set(key, String(value));
  }
  const text = parameters.toString();
  return text ? `?${text}` : "";
}

export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new Problem("front-end", "This page has failed", 0, detail, "", null);
}
