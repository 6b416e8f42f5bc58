// One more act of the person of tools/demo/browser.mjs: who goes to a device directly, at a port of its own.

export function acts({ context }) {
  return {
    // As a person who was given the address: nothing is granted before the first click, and nothing sent before the second.
    async open_directly({ url, service }) {
      const asking = await context.newPage();
      await asking.goto(url);
      await asking.getByRole("button", { name: `Open ${service}` }).click();
      const go = asking.getByRole("button", { name: /^Go to the device at port/ });
      await go.waitFor();
      const popup = context.waitForEvent("page");
      await go.click();
      const page = await popup;
      try {
        await page.waitForURL((at) => at.pathname === "/");
      } catch {
        throw new Error(`the window stays at ${page.url()}: ${(await page.locator("body").innerText()).slice(0, 300)}`);
      }
      await asking.getByText("Opened in another tab").waitFor();
      await page.reload();
      return { url: page.url(), heading: await page.locator("h1").textContent() };
    },
  };
}
