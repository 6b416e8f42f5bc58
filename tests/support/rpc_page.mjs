// More acts of the person of tools/demo/browser.mjs: who looks at a page of the console, types and clicks. What is named
// is what a person, or a screen reader, would call it.

export function acts({ context }) {
  const page = () => context.pages()[0];
  const scope = (region) => (region ? page().getByRole("region", { name: new RegExp(region) }) : page());
  return {
    async look({ path }) {
      await page().goto(new URL(path, page().url()).href);
      return {};
    },
    async click({ role, name, exact = false }) {
      await page().getByRole(role, { name, exact }).first().click();
      return {};
    },
    async fill({ label, text }) {
      await page().getByLabel(new RegExp(label)).first().fill(text);
      return {};
    },
    async choose({ label, option }) {
      await page().getByLabel(label).selectOption(option);
      return {};
    },
    // Waits until the text is seen, in a region of that name where one is given.
    async see({ text, region, limit }) {
      await scope(region).getByText(new RegExp(text)).first().waitFor({ state: "visible", ...(limit ? { timeout: limit } : {}) });
      return {};
    },
    async gone({ role, name }) {
      await page().getByRole(role, name ? { name } : {}).first().waitFor({ state: "hidden" });
      return {};
    },
    async row({ name }) {
      const found = page().getByRole("row").filter({ hasText: name }).first();
      await found.waitFor();
      return found.innerText();
    },
    async shown({ region }) {
      return scope(region).locator(region ? ":scope" : "body").innerText();
    },
    async everything() {
      return page().content();
    },
    async picture({ file }) {
      await page().screenshot({ path: file, fullPage: true });
      return {};
    },
  };
}
