// Every operation of docs/api/openapi.yaml that the front end uses, by its own name.
import { get, post } from "./http";
import type {
  AccessSession, AuditPage, Certificate, Device, ExpiryReport, FoundCertificate, Grant, KeyPurpose, LogHead, LogPage, LogProof, Pki, RevocationPreview, Role, RpcCall,
  RpcKey, RpcMethods, RpcNewSecret, RpcNodes, Session, Site, SiteChange, Status, Telemetry, User,
} from "./types";

const device = (name: string): string => `/devices/${encodeURIComponent(name)}`;

export const login = (loginName: string, password: string) => post<Session>("/login", { login: loginName, password });
export const logout = () => post<void>("/logout");
export const getSession = () => get<Session>("/session");
export const stepUp = (password: string) => post<void>("/session/step-up", { password });
export const changePassword = (current: string, next: string) =>
  post<void>("/session/password", { current, new: next });

export const listDevices = (after: string | undefined, limit: number) =>
  get<{ devices: Device[]; next: string | null }>("/devices", { after, limit });
export const getDevice = (name: string) => get<Device>(device(name));
export const listCertificates = (name: string) => get<{ certificates: Certificate[] }>(`${device(name)}/certificates`);
export const listDeviceSessions = (name: string) => get<{ sessions: AccessSession[] }>(`${device(name)}/sessions`);
export const getTelemetry = (name: string, query: { stream?: string; from?: string; limit?: number }) =>
  get<Telemetry>(`${device(name)}/telemetry`, query);
export const setRemoteAccess = (name: string, enabled: boolean) =>
  post<Device>(`${device(name)}/remote-access`, { enabled });
export const setAlias = (name: string, alias: string) => post<Device>(`${device(name)}/alias`, { alias });
export const suspendDevice = (name: string) => post<Device>(`${device(name)}/suspend`);
export const resumeDevice = (name: string) => post<Device>(`${device(name)}/resume`);
export const previewRevocation = (name: string) => get<RevocationPreview>(`${device(name)}/revocation-preview`);
export const revokeDevice = (name: string, confirm: string) => post<Device>(`${device(name)}/revoke`, { confirm });
export const createGrant = (name: string, service: string, direct: boolean) =>
  post<Grant>(`${device(name)}/grants`, direct ? { service, direct } : { service });
export const claimDevice = (claim: { serial_id: string; code: string; alias?: string; site?: string }) =>
  post<Device>("/claims", claim);

export const listSessions = () => get<{ sessions: AccessSession[] }>("/sessions");
export const renewSession = (id: string) => post<{ grant: string; expires: string }>(`/sessions/${encodeURIComponent(id)}/renew`);
export const endSession = (id: string) => post<void>(`/sessions/${encodeURIComponent(id)}/end`);
export const listAudit = (query: { after?: number; limit?: number; action?: string; subject?: string }) =>
  get<AuditPage>("/audit", query);
export const listSites = () => get<{ sites: Site[] }>("/sites");
export type SiteAct = "disable" | "enable" | "revoke";
// Without `confirm` it is a dry run: what would happen, asking for no password.
export const changeSite = (name: string, act: SiteAct, exceptUntil: number | null, confirm?: string) =>
  post<SiteChange>(`/sites/${encodeURIComponent(name)}/${act}`, {
    ...(confirm === undefined ? { dry_run: true } : { confirm }),
    ...(exceptUntil === null ? {} : { except_until: exceptUntil }),
  });
export const getPki = () => get<Pki>("/pki");
export const getLog = () => get<LogHead>("/log");
export const listLogEntries = (from: number, limit: number) => get<LogPage>("/log/entries", { from, limit });
export const getLogProof = (sha256: string) => get<LogProof>(`/log/proof/${sha256}`);
export const getExpiry = () => get<ExpiryReport>("/pki/expiry", { within_days: 30 });
export const getStatus = () => get<Status>("/status");
export const crlPath = (ca: string): string => `/api/v1/crls/${encodeURIComponent(ca)}`;
export const findCertificates = (query: string) =>
  get<{ certificates: FoundCertificate[]; found: number }>("/certificates", { query });
export const listUsers = () => get<{ users: User[] }>("/users");
export const createUser = (user: { login: string; role: Role; password: string }) => post<User>("/users", user);

const node = (name: string): string => `/rpc/nodes/${encodeURIComponent(name)}`;

export const listRpcNodes = () => get<RpcNodes>("/rpc/nodes");
export const listRpcMethods = (name: string) => get<RpcMethods>(`${node(name)}/methods`);
export interface CallOrder {
  method: string;
  params?: string; // JSON
  idempotent?: boolean;
  timeout_ms?: number;
  id?: string; // of a call that is asked for again
  key?: string; // with an id: by which key it was sent first
}
export const beginRpcCall = (name: string, order: CallOrder) => post<{ id: string; key: string }>(`${node(name)}/calls`, order);
export const getRpcCall = (id: string) => get<RpcCall>(`/rpc/calls/${encodeURIComponent(id)}`);
export const keepRpcKey = (name: string, purpose: KeyPurpose, key: string) => post<{ id: string }>(`${node(name)}/kept-keys`, { purpose, key });
export const forgetRpcKey = (name: string, purpose: KeyPurpose) => post<void>(`${node(name)}/kept-keys/${purpose}/forget`);
export const listRpcKeys = (name: string) => get<{ keys: RpcKey[] }>(`${node(name)}/keys`);
export interface NewKey {
  id: string;
  allow: string[];
  deny?: string[];
  items?: string[];
  deny_items?: string[];
  calls_per_minute?: number;
  expires?: string;
  comment?: string;
}
export const addRpcKey = (name: string, key: NewKey) => post<RpcNewSecret>(`${node(name)}/keys`, key);
export const rotateRpcKey = (name: string, key: string, overlapSeconds: number) =>
  post<RpcNewSecret>(`${node(name)}/keys/${encodeURIComponent(key)}/rotate`, { overlap_s: overlapSeconds });
export const removeRpcKey = (name: string, key: string, confirm: string) => post<void>(`${node(name)}/keys/${encodeURIComponent(key)}/remove`, { confirm });

export const eventsPath = "/api/v1/events";
