// The shapes of docs/api/openapi.yaml under short names; schema.d.ts is generated from it at every build.
import type { components, paths } from "./schema";

type Schemas = components["schemas"];
type LogAnswer<Path extends "/log" | "/log/entries" | "/log/proof/{sha256}"> = paths[Path]["get"]["responses"][200]["content"]["application/json"];
export type LogPage = LogAnswer<"/log/entries">;
export type LogProof = LogAnswer<"/log/proof/{sha256}">;

export type Session = Schemas["Session"];
export type Role = Schemas["Role"];
export type Device = Schemas["Device"];
export type Service = Schemas["Service"];
export type Alarm = Schemas["Alarm"];
export type Certificate = Schemas["Certificate"];
export type AccessSession = Schemas["AccessSession"];
export type Telemetry = Schemas["Telemetry"];
export type RevocationPreview = Schemas["RevocationPreview"];
export type Grant = Schemas["Grant"];
export type AuditEntry = Schemas["AuditEntry"];
export type AuditPage = Schemas["AuditPage"];
export type Site = Schemas["Site"];
export type Pki = Schemas["Pki"];
export type Authority = Pki["authorities"][number];
export type FoundCertificate = Schemas["FoundCertificate"];
export type ExpiryReport = Schemas["Expiry"];
export type ExpiryLink = Schemas["ExpiryLink"];
export type ExpiryStage = Schemas["ExpiryStage"];
export type Status = Schemas["Status"];
export type StatusHost = Schemas["StatusHost"];
export type SiteChange = Schemas["SiteChange"];
export type LogHead = LogAnswer<"/log">;
export type LogEntry = Schemas["LogEntry"];
export type User = Schemas["User"];
