// What of the installation ends when. Read at the start and every hour; only people of the installation may see it.
import * as api from "../api/calls";
import type { ExpiryLink, ExpiryReport, Session } from "../api/types";
import { Store } from "./store";

const roundMs = 3_600_000;

export const expiryStore = new Store<ExpiryReport | null>(null);

export async function readExpiry(): Promise<ExpiryReport> {
  const report = await api.getExpiry();
  expiryStore.set(report);
  return report;
}

export function keepExpiry(session: Session): () => void {
  if (session.tenant !== "") return () => {};
  // What cannot be read now is read an hour later; the page itself says why it cannot.
  const read = (): void => void readExpiry().catch(() => {});
  read();
  const timer = window.setInterval(read, roundMs);
  return () => {
    window.clearInterval(timer);
    expiryStore.set(null);
  };
}

const kinds: Record<ExpiryLink["kind"], (name: string) => string> = {
  root: () => "The root",
  ca: (name) => `The CA ${name}`,
  "root-crl": () => "The root CRL",
  "ocsp-signer": (name) => `The OCSP signer of ${name}`,
  control: (name) => `The ${name} signer`,
  server: (name) => `The server certificate of ${name}`,
  role: (name) => `The internal certificate of ${name}`,
  "site-ca": (name) => `The CA of site ${name}`,
  permit: (name) => `The permit of site ${name}`,
};
export const linkTitle = (link: ExpiryLink): string => kinds[link.kind](link.name);
