// Is a factory honest: what it may make, what it made, what came in.
import * as api from "../api/calls";
import type { ExpiryLink, Site } from "../api/types";
import { Link } from "../router";
import { expiryStore } from "../state/expiry";
import { useLoad } from "../state/load";
import { may } from "../state/session";
import { useStore } from "../state/store";
import { Left } from "../ui/expiry";
import { count } from "../ui/format";
import { Mark } from "../ui/mark";
import { Bar, Command, Empty, Expiry, Fact, Facts, Fingerprint, Loading, PageHead, ProblemNote, Time } from "../ui/parts";
import { SiteActs } from "./site-acts";

export function SitesPage() {
  const { value, problem, reload } = useLoad("sites", api.listSites);
  return (
    <>
      <PageHead title="Sites" lead="Each factory makes devices in its own namespace, under a signed permit, and accounts for each in a hash-chained ledger." />
      <ProblemNote problem={problem} retry={reload} />
      {!value && !problem && <Loading what="sites" />}
      {value?.sites.length === 0 && (
        <Empty title="No sites yet">
          <p>A site is a factory. Its station makes a key and a request, the root signs it, and the permit is given here:</p>
          <ol class="steps">
            <li>At the factory: <Command text="sallyport factory init --factory DIR --site NAME --zone ZONE" /></li>
            <li>At the root: <Command text="sallyport root sign --root DIR --in to-root --out from-root" /></li>
            <li>Here: <Command text="sallyport site add NAME --certificate FILE --count N --out site.permit" /></li>
          </ol>
        </Empty>
      )}
      {value?.sites.map((site) => <SiteCard key={site.name} site={site} onChanged={reload} />)}
    </>
  );
}

function SiteCard({ site, onChanged }: { site: Site; onChanged: () => void }) {
  const report = useStore(expiryStore);
  const link = (kind: ExpiryLink["kind"]) => report?.links.find((one) => one.kind === kind && one.name === site.name);
  const permit = link("permit");
  const ca = link("site-ca");
  return (
    <section class="card" aria-labelledby={`site-${site.name}`}>
      <div class="section-head">
        <h2 id={`site-${site.name}`}>{site.name}</h2>
        <SiteState site={site} />
        <Link to={`/devices?site=${site.name}`}>Its devices</Link>
      </div>
      {site.alarms.map((alarm, index) => (
        <div class="note bad" key={index}>
          <Mark tone="bad" shape="triangle">{alarm.kind}</Mark>
          <p>{alarm.detail} <span class="muted"><Time iso={alarm.time} none="" /></span></p>
        </div>
      ))}
      <dl class="ledger">
        <Used name="Made" value={site.issued} of={site.permitted} what="in the accepted ledger, of so many permitted" />
        <Used name="Activated" value={site.enrolled} of={site.activation_quota} what="serial ids enrolled, of the activation quota" />
      </dl>
      <Facts>
        <Fact name="Permit">{permit ? <Left link={permit} /> : <Expiry iso={site.permit_not_after} />}</Fact>
        <Fact name="Its CA">{ca ? <Left link={ca} /> : <Expiry iso={site.ca_not_after} />}</Fact>
        <Fact name="Since"><Time iso={site.created} /></Fact>
        <Fact name="Ledger head">
          {site.ledger_head ? <Fingerprint hex={site.ledger_head} what="ledger head" /> : <span class="muted">no ledger yet</span>}
        </Fact>
      </Facts>
      {may("owner") && <SiteActs site={site} onChanged={onChanged} />}
    </section>
  );
}

const nearlyUsed = 0.9;

function Used({ name, value, of, what }: { name: string; value: number; of: number; what: string }) {
  const share = of > 0 ? value / of : 0;
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <span class="number">{count(value)} of {count(of)}</span> <span class="muted">{what}</span>{" "}
        {share > 1 && <Mark tone="bad" shape="triangle">too many</Mark>}
        {share >= nearlyUsed && share <= 1 && <Mark tone="warning" shape="triangle">nearly used up</Mark>}
        <Bar value={value} of={of} tone={share > 1 ? "bad" : share >= nearlyUsed ? "warning" : "accent"} label={`${value} of ${of}`} />
      </dd>
    </div>
  );
}

function SiteState({ site }: { site: Site }) {
  switch (site.state) {
    case "active":
      return <Mark tone="good" shape="disc">Active</Mark>;
    case "disabled":
      return <Mark tone="warning" shape="pause">Disabled</Mark>;
    case "revoked":
      return <Mark tone="bad" shape="cross">Revoked</Mark>;
    case "revoked-except":
      return <Mark tone="bad" shape="cross">{`Revoked but entries 1 to ${site.kept_until}`}</Mark>;
  }
}
