// Proves in the browser that a certificate is in the log: the path of hashes from its entry to the signed head
// (RFC 9162 §2.1.3.2, C2SP tlog-proof). Whether the head is signed by the certified key is for `sallyport log verify`.

export interface Proven {
  index: number;
  size: number;
  root: string; // of the head that the path leads to, hexadecimal
  holds: boolean;
}

const firstLine = "c2sp.org/tlog-proof@v1";

export async function proveLogged(pem: string, proof: string): Promise<Proven> {
  const [head = "", checkpoint = ""] = splitOnce(proof, "\n\n");
  const lines = head.split("\n");
  if (lines.shift() !== firstLine) throw new Error("The proof is of another format.");
  const extra = lines[0]?.startsWith("extra ") ? fromBase64(lines.shift()?.slice("extra ".length) ?? "") : new Uint8Array();
  const index = Number(/^index (\d+)$/.exec(lines.shift() ?? "")?.[1]);
  const [, sizeText, rootText = ""] = checkpoint.split("\n");
  const size = Number(sizeText);
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index >= size) throw new Error("The proof is of no entry of its log.");
  const leaf = await hash(joined(Uint8Array.of(0), extra, derOf(pem)));
  const computed = await climb(leaf, index, size, lines.map(fromBase64));
  const root = hex(fromBase64(rootText));
  return { index, size, root, holds: computed !== null && hex(computed) === root };
}

// Null when there are too many hashes or too few.
async function climb(leaf: Uint8Array, index: number, size: number, path: readonly Uint8Array[]): Promise<Uint8Array | null> {
  let at = index;
  let last = size - 1;
  let node = leaf;
  for (const sibling of path) {
    if (last === 0) return null;
    if (at % 2 === 1 || at === last) {
      node = await hash(joined(Uint8Array.of(1), sibling, node));
      while (at % 2 === 0 && at !== 0) {
        at /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      node = await hash(joined(Uint8Array.of(1), node, sibling));
    }
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? node : null;
}

const hash = async (bytes: Uint8Array): Promise<Uint8Array> => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>));

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + separator.length)];
}

const fromBase64 = (text: string): Uint8Array => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const derOf = (pem: string): Uint8Array => fromBase64(pem.replace(/-----[A-Z ]+-----/g, "").replace(/\s+/g, ""));
const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
