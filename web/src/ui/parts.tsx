// The small parts that pages are made of.
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import type { Problem } from "../api/http";
import { useNow } from "../state/clock";
import { announce } from "./announce";
import { daysUntil, duration, grouped, localTime, relative } from "./format";
import { Mark, type Tone } from "./mark";

export function PageHead({ title, lead, children }: { title: string; lead?: ComponentChildren; children?: ComponentChildren }) {
  useEffect(() => {
    document.title = `${title} · Sallyport`;
  }, [title]);
  return (
    <header class="page-head">
      <div>
        <h1 tabIndex={-1}>{title}</h1>
        {lead && <p class="lead">{lead}</p>}
      </div>
      {children && <div class="page-acts">{children}</div>}
    </header>
  );
}

export function Section({ title, id, acts, children }: { title: string; id: string; acts?: ComponentChildren; children: ComponentChildren }) {
  return (
    <section class="section" aria-labelledby={id}>
      <div class="section-head">
        <h2 id={id}>{title}</h2>
        {acts}
      </div>
      {children}
    </section>
  );
}

// A time relative to now; the exact one on hover.
export function Time({ iso, none = "never" }: { iso: string | null; none?: string }) {
  const now = useNow();
  if (!iso) return <span class="muted">{none}</span>;
  return (
    <time dateTime={iso} title={`${iso} (here ${localTime(iso)})`}>
      {relative(iso, now)}
    </time>
  );
}

const soonDays = 30;
const urgentDays = 7;

// How long something is still valid, loud from 30 days on.
export function Expiry({ iso, short = false }: { iso: string | null; short?: boolean }) {
  const now = useNow();
  if (!iso) return <span class="muted">none</span>;
  const days = daysUntil(iso, now);
  const left = Date.parse(iso) - now;
  const text = left < 0 ? `Expired ${duration(left)} ago` : short ? duration(left) : `${duration(left)} left`;
  const tone: Tone | null = days < urgentDays ? "bad" : days < soonDays ? "warning" : null;
  return (
    <time dateTime={iso} title={iso}>
      {tone ? <Mark tone={tone} shape="triangle">{text}</Mark> : text}
    </time>
  );
}

export function ProblemNote({ problem, retry }: { problem: Problem | null; retry?: () => void }) {
  if (!problem) return null;
  return (
    <div class="note bad" role="alert">
      <Mark tone="bad" shape="cross">{problem.title}</Mark>
      {problem.detail && <p>{problem.detail}</p>}
      {problem.retryAfterSeconds !== null && <p>Try again in {duration(problem.retryAfterSeconds * 1000)}.</p>}
      <p class="note-foot">
        {problem.requestId && (
          <>
            Request <code>{problem.requestId}</code> <CopyButton text={problem.requestId} what="request id" />
          </>
        )}
        {retry && <button type="button" onClick={retry}>Try again</button>}
      </p>
    </div>
  );
}

export function Loading({ what }: { what: string }) {
  return <p class="loading" role="status">Reading {what} …</p>;
}

export function CopyButton({ text, what, label = "Copy" }: { text: string; what: string; label?: string }) {
  const copy = (): void => {
    navigator.clipboard.writeText(text).then(
      () => announce(`Copied the ${what}`),
      () => announce(`The browser refused to copy the ${what}`),
    );
  };
  return (
    <button type="button" class="copy" onClick={copy} aria-label={`${label} ${what}`} title={`${label} ${what}`}>
      {label}
    </button>
  );
}

export function Fingerprint({ hex, what }: { hex: string; what: string }) {
  return (
    <span class="fingerprint">
      <code>{grouped(hex)}</code> <CopyButton text={hex} what={what} />
    </span>
  );
}

export function Command({ text }: { text: string }) {
  return (
    <span class="command">
      <code>{text}</code>
      <CopyButton text={text} what="command" />
    </span>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function Facts({ children }: { children: ComponentChildren }) {
  return <dl class="facts">{children}</dl>;
}
export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

// A share of a whole, with its numbers beside it in words.
export function Bar({ value, of, label, tone = "accent" }: { value: number; of: number; label: string; tone?: Tone }) {
  const share = of > 0 ? Math.min(1, Math.max(0, value / of)) : 0;
  return (
    <svg class={`bar ${tone}`} viewBox="0 0 100 4" preserveAspectRatio="none" role="img" aria-label={label}>
      <rect class="bar-whole" width="100" height="4" />
      <rect class="bar-part" width={share * 100} height="4" />
    </svg>
  );
}
