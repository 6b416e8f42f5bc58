// What stands between devices and a check of their servers, worst first: a pure function of what the console was told.
import type { Status, StatusHost } from "../api/types";

export interface Finding {
  tone: "bad" | "warning";
  text: string;
  commands?: readonly string[];
}

const day = 86_400_000;
// A signer that should have been followed by another this long ago has not been.
const patience = day;

export function findingsOf(status: Status, now: number): Finding[] {
  const answering = status.hosts.filter((host) => host.state === "answering");
  const all = [...hostFindings(status.hosts, answering), ...signerFindings(answering, now), ...rootFindings(status), ...crlFindings(status, now)];
  return [...all.filter((one) => one.tone === "bad"), ...all.filter((one) => one.tone === "warning")];
}

function hostFindings(hosts: readonly StatusHost[], answering: readonly StatusHost[]): Finding[] {
  const tone = answering.length === 0 ? "bad" : "warning";
  const found: Finding[] = [];
  if (hosts.length === 0) {
    found.push({ tone: "bad", text: "No status host has told of itself since the authority began. It does so within seconds of its start.", commands: ["sallyport up", "sallyport doctor"] });
  }
  for (const host of hosts) {
    if (host.state === "gone") found.push({ tone, text: `${host.host} is not connected to the authority. Without it, it answers nothing anew after 5 s.`, commands: ["sallyport doctor"] });
    if (host.state === "without-lease") found.push({ tone, text: `${host.host} has no lease, so it answers nothing anew: it lacks changes that are in force, or its link is slow.` });
  }
  return found;
}

// A CA of which one host has a signer is answered for: devices try the next host.
function signerFindings(answering: readonly StatusHost[], now: number): Finding[] {
  const found: Finding[] = [];
  const missing = new Set(answering.flatMap((host) => host.missing_signers));
  for (const ca of missing) {
    const without = answering.filter((host) => host.missing_signers.includes(ca));
    const everywhere = without.length === answering.length;
    found.push({ tone: everywhere ? "bad" : "warning", text: `${without.map((host) => host.host).join(", ")} has no signer for ${ca}: nothing is said of its certificates${everywhere ? "" : " there"}. The authority’s log says why.` });
  }
  for (const host of answering) {
    const late = host.signers.filter((one) => Date.parse(one.renews_at) + patience < now && Date.parse(one.not_after) > now);
    if (late.length > 0) found.push({ tone: "warning", text: `${host.host} should have new signers by now for ${late.map((one) => one.ca).join(", ")}. The authority’s log says why it has not.` });
  }
  return found;
}

export const rootCommands = ["sallyport root crl --root DIR --out root.crl", "sallyport root install-crl --crl root.crl"] as const;

function rootFindings(status: Status): Finding[] {
  if (status.root_crls.length === 0) return [{ tone: "bad", text: "There is no root CRL: devices refuse every server without one.", commands: rootCommands }];
  return status.root_crls.filter((crl) => crl.stage !== "in-time").map((crl) => ({
    tone: crl.stage === "ended" ? "bad" : "warning",
    text: crl.stage === "ended"
      ? `The CRL of ${crl.name} is overdue: devices refuse to talk to servers. A new one is a minute’s work, first on the root’s machine, then here.`
      : `Two thirds of the life of the CRL of ${crl.name} are over. A new one is a minute’s work, first on the root’s machine, then here.`,
    commands: rootCommands,
  }));
}

function crlFindings(status: Status, now: number): Finding[] {
  const overdue = status.crls.filter((crl) => Date.parse(crl.next_update) < now).map((crl) => crl.ca);
  if (overdue.length === 0) return [];
  return [{ tone: "warning", text: `Overdue CRLs: ${overdue.join(", ")}. Whoever checks by them refuses what these CAs issued; the authority’s log says why they are not made.` }];
}

// The lowest number of the list of a CA that a connected host hands out; null when one hands out none.
export function servedNumber(status: Status, ca: string): number | null {
  const hosts = status.hosts.filter((host) => host.state !== "gone");
  if (hosts.length === 0) return null;
  const numbers = hosts.map((host) => host.crls.find((crl) => crl.ca === ca)?.number ?? 0);
  const lowest = Math.min(...numbers);
  return lowest > 0 ? lowest : null;
}
