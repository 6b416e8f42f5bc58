// The service worker of the hostile page: asks in its own name for what the page could not get.
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("message", (event) => {
  const ask = async () => {
    try {
      const answer = await fetch(event.data.at, { credentials: "include", mode: event.data.mode });
      return (await answer.text()) || `${answer.type} and empty`;
    } catch (error) {
      return `refused: ${error}`;
    }
  };
  event.waitUntil(ask().then((found) => event.ports[0].postMessage(found)));
});
