#include "store/detail/record_tables.h"

namespace sallyport::store {
namespace {

using records::SiteRecord;

#define SITE_COLUMNS                                                                                           \
  "name, state, ca_certificate, permit, permitted, activation_quota, enrolled, ledger_sequence, ledger_head, " \
  "created, "                                                                                                  \
  "kept_until"

Result<SiteRecord> read_site(const Query& row) {
  SiteRecord site{.name = SiteName(row.text(0)),
                  .state = static_cast<records::SiteState>(row.integer(1)),
                  .ca_certificate = row.bytes(2),
                  .permit = row.bytes(3),
                  .permitted = row.unsigned_integer(4),
                  .activation_quota = row.unsigned_integer(5),
                  .enrolled = row.unsigned_integer(6),
                  .ledger_sequence = row.unsigned_integer(7),
                  .kept_until = row.unsigned_integer(10),
                  .created = row.time(9)};
  TRY(site.ledger_head, row.array<32>(8));
  return site;
}

}  // namespace

Result<void> SiteTable::add(const SiteRecord& site) {
  TRY(auto inserted,
      database_.run("INSERT INTO site(" SITE_COLUMNS
                    ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT(name) DO NOTHING",
                    site.name, site.state, site.ca_certificate, site.permit, site.permitted, site.activation_quota,
                    site.enrolled, site.ledger_sequence, site.ledger_head, site.created, site.kept_until));
  if (inserted == 0) return failf(Errc::conflict, "site: {} exists already", site.name.get());
  return {};
}

Result<void> SiteTable::update(const SiteRecord& site) {
  TRY(auto updated,
      database_.run(
          "UPDATE site SET state = ?2, ca_certificate = ?3, permit = ?4, permitted = ?5, activation_quota = ?6, "
          "enrolled = ?7, ledger_sequence = ?8, ledger_head = ?9, created = ?10, kept_until = ?11 WHERE name = ?1",
          site.name, site.state, site.ca_certificate, site.permit, site.permitted, site.activation_quota, site.enrolled,
          site.ledger_sequence, site.ledger_head, site.created, site.kept_until));
  if (updated == 0) return failf(Errc::not_found, "site: {} does not exist", site.name.get());
  return {};
}

Result<std::optional<SiteRecord>> SiteTable::find(const SiteName& name) const {
  TRY(auto query, database_.query("SELECT " SITE_COLUMNS " FROM site WHERE name = ?1", name));
  return read_first(std::move(query), read_site);
}

Result<std::vector<SiteRecord>> SiteTable::list() const {
  TRY(auto query, database_.query("SELECT " SITE_COLUMNS " FROM site ORDER BY name"));
  return read_all(std::move(query), read_site);
}

}  // namespace sallyport::store
