// Chromium as a person has it: it trusts the test peer because a CA was imported into its certificate store, never
// because certificate errors are ignored.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

// Makes a CA and a server certificate for `names`; returns { key, cert, home } where home has a store that trusts the CA.
export function makeTrust(names) {
  const home = mkdtempSync(join(tmpdir(), "sallyport-frontend-"));
  const file = (name) => join(home, name);
  const openssl = (...arguments_) => execFileSync("openssl", arguments_, { cwd: home, stdio: ["ignore", "ignore", "pipe"] });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Front end test CA",
    "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign");
  openssl("req", ...key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=Front end test peer");
  writeFileSync(file("server.ext"), `subjectAltName=${names.map((name) => `DNS:${name}`).join(",")}\nextendedKeyUsage=serverAuth\n`);
  openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "server.ext", "-out", "server.pem");
  const store = join(home, ".pki", "nssdb");
  mkdirSync(store, { recursive: true });
  const certutil = (...arguments_) => execFileSync("certutil", ["-d", `sql:${store}`, ...arguments_], { stdio: ["ignore", "ignore", "pipe"] });
  certutil("-N", "--empty-password");
  certutil("-A", "-t", "C,,", "-n", "front end test CA", "-i", file("ca.pem"));
  return { key: readFileSync(file("server.key")), cert: readFileSync(file("server.pem")), home, remove: () => rmSync(home, { recursive: true, force: true }) };
}

export const launch = (home) =>
  chromium.launch({ executablePath: "/usr/bin/chromium", args, env: { ...process.env, HOME: home, XDG_CONFIG_HOME: join(home, ".config") } });
