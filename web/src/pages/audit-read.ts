// The log is read forwards; people read it backwards.
import { listAudit } from "../api/calls";
import type { AuditEntry, AuditPage } from "../api/types";

export interface AuditView {
  entries: AuditEntry[]; // newest first
  page: AuditPage; // what the server said about the chain
  older: number | null; // for the next page back: entries before this one
  cut: boolean; // a filter matched more than are shown
}

const pageSize = 100;
const filteredPage = 1_000;
const filteredPages = 5;

interface Wanted {
  action: string;
  subject: string;
  before: number | null; // only entries with a smaller sequence
}

export async function readAudit({ action, subject, before }: Wanted): Promise<AuditView> {
  return action || subject ? readFiltered(action, subject) : readWindow(before);
}

async function readWindow(before: number | null): Promise<AuditView> {
  const end = before ?? ((await listAudit({ limit: 1 })).head?.sequence ?? 0) + 1;
  const after = Math.max(0, end - 1 - pageSize);
  const page = await listAudit({ after, limit: pageSize });
  const entries = page.entries.filter((entry) => before === null || entry.sequence < before).reverse();
  return { entries, page, older: after > 0 ? after + 1 : null, cut: false };
}

async function readFiltered(action: string, subject: string): Promise<AuditView> {
  const entries: AuditEntry[] = [];
  let page: AuditPage;
  let pages = 0;
  let after = 0;
  do {
    page = await listAudit({ action, subject, after, limit: filteredPage });
    entries.push(...page.entries);
    after = page.entries.at(-1)?.sequence ?? after;
  } while (page.entries.length === filteredPage && ++pages < filteredPages);
  return { entries: entries.reverse(), page, older: null, cut: page.entries.length === filteredPage };
}
