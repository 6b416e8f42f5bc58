// State as shape, colour and word together, so that none of them has to carry it alone.
import type { Device } from "../api/types";

export type Tone = "good" | "warning" | "bad" | "quiet" | "accent";
type Shape = "disc" | "ring" | "triangle" | "cross" | "pause" | "dash" | "diamond";

const paths: Record<Shape, string> = {
  disc: "M6 1.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9z",
  ring: "M6 1.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zm0 1.7a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6z",
  triangle: "M6 1l5.2 9.6H.8z",
  cross: "M2.8 1.4L6 4.6l3.2-3.2 1.4 1.4L7.4 6l3.2 3.2-1.4 1.4L6 7.4l-3.2 3.2-1.4-1.4L4.6 6 1.4 2.8z",
  pause: "M2.5 1.5h2.6v9H2.5zM6.9 1.5h2.6v9H6.9z",
  dash: "M1.5 5h9v2h-9z",
  diamond: "M6 .8L11.2 6 6 11.2.8 6z",
};

export function Mark({ tone, shape, children }: { tone: Tone; shape: Shape; children: string }) {
  return (
    <span class={`mark ${tone}`}>
      <svg viewBox="0 0 12 12" aria-hidden="true">
        <path d={paths[shape]} fill-rule="evenodd" />
      </svg>
      {children}
    </span>
  );
}

// What a person calls the state of a device; also the values of the filter.
export type Condition = "online" | "offline" | "unclaimed" | "suspended" | "revoked" | "retired" | "manufactured";
export const conditions: readonly Condition[] = [
  "online", "offline", "unclaimed", "suspended", "revoked", "retired", "manufactured",
];

export function conditionOf(device: Device): Condition {
  switch (device.state) {
    case "claimed":
      return device.online ? "online" : "offline";
    case "connected":
      return "unclaimed";
    default:
      return device.state;
  }
}

const looks: Record<Condition, { tone: Tone; shape: Shape; word: string }> = {
  online: { tone: "good", shape: "disc", word: "Online" },
  offline: { tone: "quiet", shape: "ring", word: "Offline" },
  unclaimed: { tone: "accent", shape: "diamond", word: "Unclaimed" },
  suspended: { tone: "warning", shape: "pause", word: "Suspended" },
  revoked: { tone: "bad", shape: "cross", word: "Revoked" },
  retired: { tone: "quiet", shape: "dash", word: "Retired" },
  manufactured: { tone: "quiet", shape: "dash", word: "Not yet seen" },
};
export const conditionWord = (condition: Condition): string => looks[condition].word;

export function ConditionMark({ device }: { device: Device }) {
  const look = looks[conditionOf(device)];
  return (
    <Mark tone={look.tone} shape={look.shape}>
      {look.word}
    </Mark>
  );
}
