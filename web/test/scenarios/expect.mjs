// Few words for what a scenario wants; each waits for the event with a deadline.
import assert from "node:assert/strict";

export const same = (found, wanted, what) => assert.deepEqual(found, wanted, `${what}: found ${JSON.stringify(found)}, want ${JSON.stringify(wanted)}`);
export const holds = (truth, what) => assert.ok(truth, what);
export const seen = (locator) => locator.first().waitFor({ state: "visible" });
export const gone = (locator) => locator.first().waitFor({ state: "hidden" });

const deadlineMs = 30_000;
// Waits until `read()` gives something true.
export async function until(read, what) {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const found = await read();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${deadlineMs / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
export const path = (page) => new URL(page.url()).pathname + new URL(page.url()).search;
export const row = (page, text) => page.getByRole("row").filter({ hasText: text });
