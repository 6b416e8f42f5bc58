#include "authority/metrics.h"

#include <algorithm>
#include <array>
#include <memory>

namespace sallyport::authority {
namespace {

using records::CaName;
using records::CertificateKind;
using records::CertificateState;
using records::Records;

// What a label's value may not have as it is.
std::string escaped(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  return out;
}

class Page {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    text_ += fmt::format("# HELP sallyport_{} {}\n# TYPE sallyport_{} {}\n", name, help, name, type);
  }
  void gauge(std::string_view name, std::string_view help) { family(name, "gauge", help); }
  void counter(std::string_view name, std::string_view help) { family(name, "counter", help); }
  void sample(std::int64_t value) { text_ += fmt::format("sallyport_{} {}\n", name_, value); }
  void sample(std::uint64_t value) { text_ += fmt::format("sallyport_{} {}\n", name_, value); }
  template <class Number>
  void sample(std::string_view label, std::string_view is, Number value) {
    text_ += fmt::format("sallyport_{}{{{}=\"{}\"}} {}\n", name_, label, escaped(is), value);
  }
  template <class Number>
  void sample(std::string_view kind, std::string_view second, std::string_view is, Number value) {
    text_ +=
        fmt::format("sallyport_{}{{kind=\"{}\",{}=\"{}\"}} {}\n", name_, escaped(kind), second, escaped(is), value);
  }
  // Of a status host.
  template <class Number>
  void host_sample(const StatusHost& host, Number value) {
    sample("host", host.report.host, value);
  }
  template <class Number>
  void host_sample(const StatusHost& host, std::string_view label, std::string_view is, Number value) {
    text_ += fmt::format("sallyport_{}{{host=\"{}\",{}=\"{}\"}} {}\n", name_, escaped(host.report.host), label,
                         escaped(is), value);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string name_;
  std::string text_;
};

void write_links(Page& page, const Figures& figures) {
  page.gauge("link_not_after_seconds", "When a link of the chain of trust ends, seconds since 1970.");
  for (const Link& link : figures.links) page.sample(to_string(link.kind), "name", link.name, link.until.since_epoch());
  page.gauge("link_due_seconds", "From when on a link should have been replaced, seconds since 1970.");
  for (const Link& link : figures.links)
    page.sample(to_string(link.kind), "name", link.name, link.due_at().since_epoch());
  page.gauge("link_stage", "0: in time, 1: due, 2: ended.");
  for (const Link& link : figures.links) {
    page.sample(to_string(link.kind), "name", link.name, static_cast<unsigned>(link.stage(figures.now)));
  }
}

void write_devices(Page& page, const Figures& figures) {
  page.gauge("device_certificates", "Newest certificates of devices by stage.");
  for (const auto& [kind, counted] : {std::pair("operational", &figures.operational), std::pair("web", &figures.web)}) {
    page.sample(kind, "stage", to_string(Stage::in_time), counted->in_time);
    page.sample(kind, "stage", to_string(Stage::due), counted->due);
    page.sample(kind, "stage", to_string(Stage::ended), counted->ended);
  }
  page.gauge("devices_online", "Devices with a control connection.");
  page.sample(figures.devices_online);
  page.gauge("access_sessions", "Access sessions that are open.");
  page.sample(figures.live_sessions);
}

void write_cas(Page& page, const Figures& figures) {
  page.gauge("certificates_alive", "Certificates of a CA that are neither revoked nor expired.");
  for (const Figures::Ca& ca : figures.cas) page.sample("ca", ca.name, ca.alive);
  page.gauge("certificates_revoked", "Certificates of a CA that are revoked.");
  for (const Figures::Ca& ca : figures.cas) page.sample("ca", ca.name, ca.revoked);
  page.gauge("root_crl_number", "Number of the root CRL in force.");
  page.sample(figures.root_crl_number);
  page.gauge("snapshot_number", "Number of the newest change that roles are told of.");
  page.sample(figures.change_number);
}

void write_sites(Page& page, const Figures& figures) {
  page.gauge("site_active", "1: its devices may enrol.");
  for (const auto& site : figures.sites)
    page.sample("site", site.name.get(), site.state == records::SiteState::active ? 1 : 0);
  page.gauge("site_permitted", "Certificates that the site's permit allows.");
  for (const auto& site : figures.sites) page.sample("site", site.name.get(), site.permitted);
  page.gauge("site_ledgered", "Certificates in the site's accepted ledger.");
  for (const auto& site : figures.sites) page.sample("site", site.name.get(), site.ledger_sequence);
  page.gauge("site_activation_quota", "Devices of the site that may enrol.");
  for (const auto& site : figures.sites) page.sample("site", site.name.get(), site.activation_quota);
  page.gauge("site_activated", "Devices of the site that have enrolled.");
  for (const auto& site : figures.sites) page.sample("site", site.name.get(), site.enrolled);
}

void write_status_hosts(Page& page, const Figures& figures) {
  const std::vector<StatusHost>& hosts = figures.status_hosts;
  page.gauge("status_connected", "1: the status host is connected to the authority.");
  for (const StatusHost& host : hosts) page.host_sample(host, host.gone_at ? 0 : 1);
  page.gauge("status_lease", "1: the status host has a lease, so it answers whatever it is asked.");
  for (const StatusHost& host : hosts) page.host_sample(host, host.state(figures.now) == HostState::answering ? 1 : 0);
  page.gauge("status_snapshot_number", "Number of the state that the status host answers from.");
  for (const StatusHost& host : hosts) page.host_sample(host, host.confirmed_number());
  page.gauge("status_snapshot_age_seconds", "How long ago that state was last known to be the newest.");
  for (const StatusHost& host : hosts) page.host_sample(host, host.snapshot_age(figures.now).count());
  page.gauge("status_report_age_seconds", "How long ago the status host last told of itself.");
  for (const StatusHost& host : hosts)
    page.host_sample(host, std::max(figures.now - host.reported_at, seconds(0)).count());
}

void write_status_work(Page& page, const Figures& figures) {
  const std::vector<StatusHost>& hosts = figures.status_hosts;
  page.gauge("status_signer_left_seconds", "What is left of the life of the key that answers for a CA.");
  for (const StatusHost& host : hosts) {
    for (const auto& signer : host.report.signers)
      page.host_sample(host, "ca", signer.ca.get(), (signer.not_after - figures.now).count());
  }
  page.gauge("status_crl_number", "Number of the CRL that the status host hands out.");
  for (const StatusHost& host : hosts) {
    for (const auto& crl : host.report.crls) page.host_sample(host, "ca", crl.ca.get(), crl.number);
  }
  page.counter("status_answers_total", "OCSP requests that were answered.");
  for (const StatusHost& host : hosts) {
    for (const auto& each : host.report.answers) page.host_sample(host, "kind", each.kind, each.count);
  }
  page.counter("status_refusals_total", "OCSP requests that were refused.");
  for (const StatusHost& host : hosts) {
    for (const auto& each : host.report.refusals) page.host_sample(host, "reason", each.kind, each.count);
  }
}

void write_crls(Page& page, const Figures& figures) {
  const std::vector<CrlKeeper::Made>& crls = figures.crls;
  page.gauge("crl_number", "Number of the newest CRL of a CA.");
  for (const auto& crl : crls) page.sample("ca", crl.ca.get(), crl.number);
  page.gauge("crl_age_seconds", "How long ago it was made.");
  for (const auto& crl : crls) page.sample("ca", crl.ca.get(), (figures.now - crl.this_update).count());
  page.gauge("crl_left_seconds", "How long it is still in date.");
  for (const auto& crl : crls) page.sample("ca", crl.ca.get(), (crl.next_update - figures.now).count());
  page.gauge("crl_entries", "Certificates that it lists.");
  for (const auto& crl : crls) page.sample("ca", crl.ca.get(), crl.entries);
}

Result<void> collect_crls(Core& core, Figures& figures) {
  TRY(const auto roots, list_root_crl_links(core.installation()));
  for (const RootCrlLink& root : roots) {
    figures.crls.push_back({.ca = CaName(root.link.name),
                            .number = root.crl.number(),
                            .this_update = root.crl.this_update(),
                            .next_update = root.crl.next_update(),
                            .entries = root.crl.entries().size(),
                            .bytes = root.crl.der().size()});
  }
  for (CrlKeeper::Made& made : core.crls().made()) figures.crls.push_back(std::move(made));
  return {};
}

Result<void> read_cas(Records& records, const Installation& installation, Figures& figures) {
  std::vector<CaName> names = {CaName("root")};
  for (const auto& [name, certificate] : installation.cas()) names.push_back(name);
  for (const CaName& name : names) {
    Figures::Ca ca{.name = name.get()};
    TRY(ca.alive, records.certificates().count_alive(name, figures.now));
    TRY(ca.revoked, records.certificates().count(name, CertificateState::revoked));
    figures.cas.push_back(std::move(ca));
  }
  return {};
}

}  // namespace

net::Task<Result<Figures>> collect_figures(Core& core) {
  const auto figures = std::make_shared<Figures>();
  figures->now = core.clock().now();
  figures->devices_online = core.presence().size();
  figures->live_sessions = core.grants().all().size();
  figures->status_hosts = core.status_hosts().list(figures->now);
  CO_TRY_VOID(collect_crls(core, *figures));
  const auto work = [figures, installation = core.installation()](Records& records) -> Result<void> {
    TRY(figures->links, list_links(records, installation));
    TRY(figures->operational,
        count_device_certificates(records, CertificateKind::operational, figures->now, UnixTime(0)));
    TRY(figures->web, count_device_certificates(records, CertificateKind::web, figures->now, UnixTime(0)));
    TRY(figures->sites, records.sites().list());
    TRY(figures->change_number, records.change_number());
    TRY(const auto crl, pki::parse_crl(installation.root_crl_der()));
    figures->root_crl_number = crl.number();
    return read_cas(records, installation, *figures);
  };
  CO_TRY_VOID(co_await core.read_aside(work));
  co_return std::move(*figures);
}

std::string to_prometheus(const Figures& figures) {
  Page page;
  page.gauge("time_seconds", "The installation's clock, seconds since 1970.");
  page.sample(figures.now.since_epoch());
  write_links(page, figures);
  write_devices(page, figures);
  write_cas(page, figures);
  write_sites(page, figures);
  write_status_hosts(page, figures);
  write_status_work(page, figures);
  write_crls(page, figures);
  return page.take();
}

}  // namespace sallyport::authority
