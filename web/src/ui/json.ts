// JSON as people type it and read it.

export interface Fault {
  line: number;
  column: number;
  what: string;
}

// The first place at which `text` is not JSON, or null. JSON.parse does not always say where.
export function findFault(text: string): Fault | null {
  try {
    JSON.parse(text);
    return null;
  } catch {
    const { at, what } = new Scanner(text).fault();
    const before = text.slice(0, at).split("\n");
    return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1, what };
  }
}

class Stop extends Error {
  constructor(
    readonly at: number,
    readonly what: string,
  ) {
    super(what);
  }
}

class Scanner {
  #at = 0;
  constructor(readonly text: string) {}

  fault(): { at: number; what: string } {
    try {
      this.#value();
      this.#space();
      if (this.#at < this.text.length) this.#stop("something follows the value");
    } catch (error) {
      if (error instanceof Stop) return error;
      throw error;
    }
    return { at: this.text.length, what: "not JSON" };
  }

  #stop(what: string): never {
    throw new Stop(this.#at, this.#at >= this.text.length ? `the text ends too early: ${what}` : what);
  }
  #space(): void {
    while (" \t\r\n".includes(this.text[this.#at] ?? "x")) ++this.#at;
  }
  #peek(): string {
    this.#space();
    return this.text[this.#at] ?? "";
  }
  #value(): void {
    const next = this.#peek();
    if (next === "{") return this.#several("}", "a name in double quotes", () => this.#member());
    if (next === "[") return this.#several("]", "a value", () => this.#value());
    if (next === '"') return this.#string();
    const word = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/.exec(this.text.slice(this.#at, this.#at + 400));
    if (!word) this.#stop(next === "'" ? "want double quotes" : "want a value");
    this.#at += word[0].length;
  }
  #several(end: string, first: string, one: () => void): void {
    ++this.#at;
    if (this.#peek() === end) return void ++this.#at;
    for (;;) {
      if (end === "}" && this.#peek() !== '"') this.#stop(`want ${first}`);
      one();
      const next = this.#peek();
      if (next !== "," && next !== end) this.#stop(`want , or ${end}`);
      ++this.#at;
      if (next === end) return;
      if (this.#peek() === end) this.#stop("a comma before the end");
    }
  }
  #member(): void {
    this.#string();
    if (this.#peek() !== ":") this.#stop("want : after the name");
    ++this.#at;
    this.#value();
  }
  #string(): void {
    const begin = this.#at++;
    for (;;) {
      const next = this.text[this.#at];
      if (next === undefined || next === "\n") {
        this.#at = begin;
        throw new Stop(begin, "this text has no end");
      }
      if (next < " ") this.#stop("a control character in a text");
      ++this.#at;
      if (next === '"') return;
      if (next !== "\\") continue;
      const escape = /^(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/.exec(this.text.slice(this.#at, this.#at + 5));
      if (!escape) this.#stop("an escape that JSON does not have");
      this.#at += escape[0].length;
    }
  }
}

export const pretty = (value: unknown): string => JSON.stringify(value, null, 2) ?? "null";
