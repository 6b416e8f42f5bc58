// What a person types into a field that an address fills too.
import { useState } from "preact/hooks";

// Begins as `value` and becomes it again whenever `value` changes; in the render that shows the change, not after it, so that
// nothing typed from then on is lost.
export function useTextOf(value: string): [string, (text: string) => void] {
  const [typed, setTyped] = useState({ over: value, text: value });
  if (typed.over !== value) setTyped({ over: value, text: value });
  return [typed.over === value ? typed.text : value, (text) => setTyped({ over: value, text })];
}
