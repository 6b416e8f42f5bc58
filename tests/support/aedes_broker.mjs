// aedes, a broker from npm, on a loopback port: aedes_broker.mjs PORT. Ends by SIGTERM.
import { createRequire } from "node:module";
import { createServer } from "node:net";

const require = createRequire(new URL("../../web/package.json", import.meta.url));
const broker = require("aedes")();
const server = createServer(broker.handle);
server.listen(Number(process.argv[2]), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
