// How a link of the chain of trust stands: its stage in shape, colour and words; and the banner when one is late.
import type { ExpiryLink } from "../api/types";
import { Link } from "../router";
import { now, useNow } from "../state/clock";
import { expiryStore, linkTitle } from "../state/expiry";
import { useStore } from "../state/store";
import { count, duration } from "./format";
import { Mark, type Tone } from "./mark";
import { Bar } from "./parts";

export const stageTone: Record<ExpiryLink["stage"], Tone> = { "in-time": "accent", due: "warning", ended: "bad" };

export function Left({ link }: { link: ExpiryLink }) {
  const left = Date.parse(link.not_after) - useNow();
  const text = left < 0 ? `Ended ${duration(left)} ago` : `${duration(left)} left`;
  return (
    <time dateTime={link.not_after} title={link.not_after}>
      {link.stage === "in-time" ? text : <Mark tone={stageTone[link.stage]} shape={link.stage === "due" ? "triangle" : "cross"}>{text}</Mark>}
    </time>
  );
}

// How much of a lifetime is used.
export function Lifetime({ from, to, tone = "accent" }: { from: string; to: string; tone?: Tone }) {
  const start = Date.parse(from);
  const whole = Date.parse(to) - start;
  const used = now() - start;
  const share = whole > 0 ? used / whole : 1;
  return <Bar value={used} of={whole} tone={tone} label={`${Math.min(100, Math.round(share * 100))} % of its lifetime used`} />;
}

// Above every page while something is late, most urgent first; links lead to what to do about it.
export function ExpiryBanner() {
  const report = useStore(expiryStore);
  const late = report?.links.filter((link) => link.stage !== "in-time") ?? [];
  const [first] = late;
  if (!first) return null;
  const ended = late.some((link) => link.stage === "ended" && link.stops_the_service);
  return (
    <aside class={`banner ${ended ? "bad" : "warning"}`} aria-label="What ends">
      <span>{linkTitle(first)}: <Left link={first} />.</span>
      <Link to="/pki">{late.length === 1 ? "What to do" : `What to do, and ${count(late.length - 1)} more`}</Link>
    </aside>
  );
}
