// State that belongs to something: to what was read, to an address, to a range.
import { useState } from "preact/hooks";

type Next<T> = (next: T | ((before: T) => T)) => void;

// Begins as `first()` and begins anew whenever `owner` is another; in the render that shows the change, not after it, so that
// nothing that comes from then on is lost.
export function useStateOf<T>(owner: unknown, first: () => T): [T, Next<T>] {
  const [held, setHeld] = useState(() => ({ owner, state: first() }));
  const current = held.owner === owner ? held : { owner, state: first() };
  if (current !== held) setHeld(current);
  return [
    current.state,
    (next) => setHeld((before) => ({ ...before, state: next instanceof Function ? next(before.state) : next })),
  ];
}

// What a person types into a field that an address fills too.
export const useTextOf = (value: string): [string, Next<string>] => useStateOf(value, () => value);
