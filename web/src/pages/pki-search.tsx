// Which certificate is that: by what a person has in hand, a serial number, a fingerprint or a name.
import * as api from "../api/calls";
import type { FoundCertificate } from "../api/types";
import { go, Link, usePlace, withQuery } from "../router";
import { useLoad } from "../state/load";
import { useTextOf } from "../state/of";
import { CertificateFacts, kindOf, Validity } from "../ui/certificate";
import { count, counted } from "../ui/format";
import { Empty, Loading, ProblemNote, Time } from "../ui/parts";

export function CertificateSearch() {
  const place = usePlace();
  const query = place.query.get("q") ?? "";
  return (
    <>
      <SearchForm query={query} onSearch={(next) => go(withQuery(place, { q: next }))} />
      {query ? <Results query={query} /> : (
        <Empty title="Every certificate of every CA can be found">
          <p>By its serial number, its fingerprint or that of its key, as any tool prints them; or by the whole name of whom it was made for.</p>
          <p class="muted">Names are: a device’s serial id or name, a role such as gateway, a CA such as online-ca.</p>
        </Empty>
      )}
    </>
  );
}

function SearchForm({ query, onSearch }: { query: string; onSearch: (query: string) => void }) {
  const [text, setText] = useTextOf(query);
  const submit = (event: Event): void => {
    event.preventDefault();
    onSearch(text.trim());
  };
  return (
    <form class="inline-form certificate-search" role="search" aria-label="Certificates" onSubmit={submit}>
      <label class="field">
        Serial number, fingerprint or name
        <input type="search" value={text} maxLength={256} autoComplete="off" autoCapitalize="none" spellcheck={false}
          onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <button type="submit" class="primary">Find</button>
    </form>
  );
}

function Results({ query }: { query: string }) {
  const { value, problem, reload } = useLoad(query, () => api.findCertificates(query));
  if (problem) return <ProblemNote problem={problem} retry={reload} />;
  if (!value) return <Loading what="the record of certificates" />;
  if (value.found === 0) {
    return (
      <Empty title="No certificate matches">
        <p>Nothing that this installation issued has <code>{query}</code> as serial number, fingerprint or whole name.</p>
      </Empty>
    );
  }
  return (
    <>
      <p class="muted" role="status">
        {counted(value.found, "certificate")}
        {value.found > value.certificates.length && `; the newest ${count(value.certificates.length)} are shown`}
      </p>
      <ol class="found">
        {value.certificates.map((one) => (
          <li key={`${one.ca} ${one.serial}`}><Found certificate={one} open={value.certificates.length === 1} /></li>
        ))}
      </ol>
    </>
  );
}

function Found({ certificate, open }: { certificate: FoundCertificate; open: boolean }) {
  return (
    <details open={open}>
      <summary>
        <strong>{kindOf(certificate)}</strong> <span>{certificate.subject}</span> <Validity certificate={certificate} />
        <span class="muted">from {certificate.ca}, <Time iso={certificate.not_before} /></span>
      </summary>
      <CertificateFacts certificate={certificate} />
      {certificate.device && <p class="certificate-acts"><Link to={`/devices/${certificate.device}/certificates`}>Its device</Link></p>}
    </details>
  );
}
