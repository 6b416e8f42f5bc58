#include "state_facts.h"

#include "codec/text.h"
#include "pki/crl.h"
#include "records/installation_values.h"

namespace sallyport::cli {

bool StateFacts::is_behind(const StateFacts& other) const {
  return change_number < other.change_number || audit_sequence < other.audit_sequence ||
         root_crl_number < other.root_crl_number;
}

Result<StateFacts> read_state_facts(records::Records& records) {
  StateFacts facts;
  TRY(facts.change_number, records.change_number());
  TRY(const auto der, records::find_root_crl(records));
  if (der) {
    TRY(const auto crl, pki::parse_crl(*der));
    facts.root_crl_number = crl.number();
  }
  TRY(const auto head, records.audit().head());
  if (head) {
    facts.audit_sequence = head->sequence;
    facts.audit_hash = head->hash;
  }
  return facts;
}

std::string to_line(const StateFacts& facts) {
  return fmt::format("change {}, audit entry {}, root CRL {}", facts.change_number, facts.audit_sequence,
                     facts.root_crl_number);
}

codec::Json to_json(const StateFacts& facts) {
  return codec::Json::Object{{"change_number", facts.change_number},
                             {"audit_sequence", facts.audit_sequence},
                             {"audit_hash", codec::encode_hex(facts.audit_hash)},
                             {"root_crl_number", facts.root_crl_number}};
}

}  // namespace sallyport::cli
