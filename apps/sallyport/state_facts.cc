#include "state_facts.h"

#include "codec/text.h"
#include "pki/crl.h"
#include "records/installation_values.h"

namespace sallyport::cli {

bool StateFacts::is_behind(const StateFacts& other) const {
  const bool has_older_crl = root_key_id == other.root_key_id && root_crl_number < other.root_crl_number;
  return change_number < other.change_number || audit_sequence < other.audit_sequence || has_older_crl;
}

Result<StateFacts> read_state_facts(records::Records& records) {
  StateFacts facts;
  TRY(facts.change_number, records.change_number());
  TRY(const auto der, records::find_root_crl(records));
  if (der) {
    TRY(const auto crl, pki::parse_crl(*der));
    facts.root_crl_number = crl.number();
    facts.root_key_id = crl.authority_key_id().value_or(Bytes());
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
