#include "installation.h"

#include "pki/crl.h"
#include "pki/csr.h"
#include "pki/permit.h"

namespace sallyport::integration {
namespace {

net::Task<void> begin(authority::Authority& authority, net::Listener& roles, net::Listener& admins,
                      net::Executor executor) {
  auto started = co_await authority.start();
  EXPECT_TRUE(started) << started.error().detail;
  net::spawn(executor, authority.serve_administrators(admins), "test.admins");
  net::spawn(executor, authority.serve_roles(roles), "test.roles");
}

// A key in memory that tells what it is about to sign.
class ObservedKey final : public crypto::SigningKey {
 public:
  ObservedKey(crypto::PrivateKey key, const std::function<void(ByteView)>& on_signature)
      : key_(std::move(key)), on_signature_(on_signature) {}
  const crypto::PublicKey& public_key() const override { return key_.public_key(); }
  crypto::SignatureScheme scheme() const override { return key_.scheme(); }
  Result<Bytes> sign(ByteView message) override {
    if (on_signature_) on_signature_(message);
    return key_.sign(message);
  }

 private:
  crypto::PrivateKey key_;
  const std::function<void(ByteView)>& on_signature_;
};

std::vector<std::string> permitted_names(const std::string& ca) {
  if (ca == "server-ca") {
    return {"gateway." + kZone.get(), "relay." + kZone.get(), "status." + kZone.get(), kConsole.get()};
  }
  if (ca == "people-ca") return {pki::people_namespace(kZone).get()};
  if (ca == "roles-ca") return {pki::roles_namespace(kZone).get()};
  if (ca == "control-ca") return {};
  return {kZone.get()};
}

}  // namespace

Result<void> ObservedMark::raise(const signer::LogMark& mark) {
  mark_ = mark;
  if (on_raise) on_raise(mark);
  return {};
}

Installation::Installation(bool has_replaced) {
  std::string pattern = (std::filesystem::temp_directory_path() / "sallyport-XXXXXX").string();
  EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
  folder_ = pattern;
  make_tree(has_replaced);
  auto database = store::open_record_database(":memory:");
  EXPECT_TRUE(database) << database.error().detail;
  database_ = *std::move(database);
  fill_database();
  add_site(kSite, 1'000);
  signer_listener_ = *net::Listener::unix_socket(io_.executor(), socket("signer"));
  net::spawn(io_.executor(), signer::serve_signer(*signer_listener_, *signer_, ::getuid()), "test.signer");
  start_authority();
  clock_.advance(seconds(6));  // leases of an earlier run would have lapsed
}

Installation::~Installation() {
  stop_authority();
  signer_listener_->close();
  io_.run_for(milliseconds(20));
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void Installation::make_tree(bool has_replaced) {
  const auto& profile = pki::profile(pki::ProfileId::root);
  const pki::CertificateFields fields{.common_name = pki::ca_common_name("root", "test"),
                                      .public_key = root_key_.public_key(),
                                      .validity = pki::choose_validity(profile, nullptr, kNow, profile.longest),
                                      .serial = pki::SerialNumber::draw(random_)};
  auto linted = pki::prepare_self_signed(profile, fields, kNow);
  EXPECT_TRUE(linted) << linted.error().detail;
  root_ = *pki::issue(*std::move(linted), root_key_);
  signer::Keys keys;
  for (const records::CaName& name : records::online_ca_names()) {
    auto key = std::make_unique<ObservedKey>(crypto::PrivateKey::generate(), on_signature);
    auto certificate = make_ca(name.get(), key->public_key());
    cas_.emplace(name.get(), certificate);
    keys.cas.push_back({.name = name.get(), .certificate = certificate, .key = std::move(key)});
  }
  if (has_replaced) keys.cas.push_back(make_replaced_ca());
  std::vector<std::pair<pki::ControlKind, crypto::PublicKey>> control;
  for (const auto kind : signer::kControlKinds) {
    auto key = std::make_unique<crypto::PrivateKey>(crypto::PrivateKey::generate(signer::control_key_type(kind)));
    control.emplace_back(kind, key->public_key());
    keys.control.push_back({.kind = kind, .key = std::move(key)});
  }
  auto mark = std::make_unique<ObservedMark>();
  checkpoint_mark_ = mark.get();
  keys.checkpoint_mark = std::move(mark);
  auto made = signer::Signer::create(std::move(keys), clock_);
  EXPECT_TRUE(made) << made.error().detail;
  signer_ = *std::move(made);
  for (const auto& [kind, key] : control) {
    const auto& leaf = pki::profile(pki::profile_of(kind));
    const pki::IssueCertificate order{
        "control-ca", pki::profile_of(kind),
        pki::CertificateFields{.common_name = "control",
                               .public_key = key,
                               .validity = pki::choose_validity(leaf, &cas_.at("control-ca"), kNow, leaf.longest),
                               .serial = pki::SerialNumber::draw(random_)}};
    const auto answer = signer_->answer(order);
    const auto* issued = std::get_if<pki::IssuedCertificate>(&answer);
    ASSERT_NE(issued, nullptr);
    if (kind == pki::ControlKind::checkpoint) checkpoint_certificate_ = *pki::parse_certificate(issued->der);
  }
}

signer::CaKey Installation::make_replaced_ca() {
  auto key = std::make_unique<ObservedKey>(crypto::PrivateKey::generate(), on_signature);
  replaced_ca_ = make_ca(records::base_name(kReplacedCa).get(), key->public_key(), kReplacedLife);
  return {.name = kReplacedCa.get(), .certificate = *replaced_ca_, .key = std::move(key)};
}

pki::Certificate Installation::make_ca(const std::string& name, const crypto::PublicKey& key,
                                       std::optional<seconds> life) {
  const bool local = name.starts_with("local-ca/");
  const auto& profile = pki::profile(local ? pki::ProfileId::local_ca : pki::ca_profile_of(*pki::ca_kind_of(name)));
  const auto permitted =
      local ? std::vector{pki::factory_namespace(SiteName(name.substr(name.find('/') + 1)), kZone).get()}
            : permitted_names(name);
  const pki::CertificateFields fields{
      .common_name = pki::ca_common_name(name, "test"),
      .public_key = key,
      .validity = pki::choose_validity(profile, &*root_, kNow, life.value_or(profile.longest)),
      .serial = pki::SerialNumber::draw(random_),
      .permitted_dns = permitted};
  auto linted = pki::prepare(profile, fields, *root_, kNow);
  EXPECT_TRUE(linted) << name << ": " << linted.error().detail;
  return *pki::issue(*std::move(linted), root_key_);
}

Bytes Installation::make_root_crl(std::uint64_t number, const std::optional<SiteName>& site) {
  return sign_root_crl(number, site ? std::optional(site_cas_.at(*site).serial()) : std::nullopt);
}

Bytes Installation::make_root_crl(std::uint64_t number, const pki::SerialNumber& revoked) {
  return sign_root_crl(number, revoked);
}

Bytes Installation::seal_order(const pki::RootOrder& order) {
  auto sealed = pki::seal_root_order(order, root_key_, *root_);
  EXPECT_TRUE(sealed) << sealed.error().detail;
  return *std::move(sealed);
}

Bytes Installation::sign_root_crl(std::uint64_t number, const std::optional<pki::SerialNumber>& revoked) {
  pki::CrlFields fields;
  fields.number = number;
  fields.this_update = clock_.now();
  fields.next_update = clock_.now() + 90 * kDay;
  if (revoked) fields.entries.push_back({.serial = *revoked, .revoked_at = clock_.now()});
  auto crl = pki::build_crl(*root_, std::move(fields), root_key_);
  EXPECT_TRUE(crl) << crl.error().detail;
  return *std::move(crl);
}

Bytes Installation::make_permit(std::uint64_t count) {
  const pki::SitePermit permit{.number = 1,
                               .installation = "test",
                               .site = kSite,
                               .name_space = pki::factory_namespace(kSite, kZone),
                               .count = count,
                               .not_before = kNow - kDay,
                               .not_after = kNow + 365 * kDay};
  const auto answer = signer_->answer(pki::SignObject{pki::ControlKind::permit, pki::encode_permit(permit)});
  const auto* sealed = std::get_if<pki::SealedObject>(&answer);
  EXPECT_NE(sealed, nullptr);
  return sealed == nullptr ? Bytes() : sealed->bytes;
}

void Installation::fill_database() {
  write([this](records::Records& records) -> Result<void> {
    TRY_VOID(records::put_installation_facts(records, {.name = "test", .zone = kZone, .console_name = kConsole}));
    TRY_VOID(records::put_ca_certificate(records, records::CaName("root"), root_->der()));
    for (const auto& [name, certificate] : cas_) {
      TRY_VOID(records::put_ca_certificate(records, records::CaName(name), certificate.der()));
    }
    TRY_VOID(records::put_root_crl(records, make_root_crl(1)));
    if (replaced_ca_) TRY_VOID(records::put_older_cas(records, {{kReplacedCa, to_bytes(replaced_ca_->der())}}));
    const pki::Certificate& checkpoint = *checkpoint_certificate_;
    records::CertificateRecord record;
    record.ca = records::CaName("control-ca");
    record.serial = records::CertificateSerial(to_bytes(checkpoint.serial().content()));
    record.kind = records::CertificateKind::control;
    record.subject = std::string(pki::to_string(pki::ControlKind::checkpoint));
    record.spki_sha256 = checkpoint.spki_sha256();
    record.not_before = checkpoint.validity().not_before;
    record.not_after = checkpoint.validity().not_after;
    record.recorded_at = kNow;
    TRY_VOID(records.certificates().record_intent(record));
    TRY_VOID(records.certificates().record_issued(record.ca, record.serial, checkpoint.der()));
    return records.raise_change_number();  // as init's own certificates do
  });
}

void Installation::add_site(const SiteName& name, std::uint64_t quota) {
  auto key = crypto::PrivateKey::generate();
  const pki::Certificate certificate = make_ca(records::local_ca_name(name.get()).get(), key.public_key());
  site_cas_.emplace(name, certificate);
  site_keys_.emplace(name, std::move(key));
  write([&](records::Records& records) {
    records::SiteRecord site;
    site.name = name;
    site.ca_certificate = to_bytes(certificate.der());
    site.permitted = 1'000;
    site.activation_quota = quota;
    site.created = kNow;
    return records.sites().add(site);
  });
}

void Installation::write(const records::RecordDatabase::Work& work) {
  auto done = database_->write_and_wait(work);
  EXPECT_TRUE(done) << done.error().detail;
}

void Installation::read(const records::RecordDatabase::Work& work) const {
  auto done = database_->read(work);
  EXPECT_TRUE(done) << done.error().detail;
}

Device Installation::make_device(std::string_view serial_id, bool in_ledger, const SiteName& site) {
  Device device{.serial_id = SerialId(std::string(serial_id)), .site = site};
  const auto& profile = pki::profile(pki::ProfileId::factory_device);
  const pki::Certificate& ca = site_cas_.at(site);
  const std::string name = std::string(serial_id) + "." + pki::factory_namespace(site, kZone).get();
  const pki::CertificateFields fields{.common_name = std::string(serial_id),
                                      .dns_names = {name},
                                      .public_key = device.factory_key.public_key(),
                                      .validity = pki::choose_validity(profile, &ca, kNow, profile.longest),
                                      .serial = pki::SerialNumber::draw(random_)};
  auto linted = pki::prepare(profile, fields, ca, kNow);
  EXPECT_TRUE(linted) << linted.error().detail;
  device.factory_certificate = *pki::issue(*std::move(linted), site_keys_.at(site));
  if (!in_ledger) return device;
  write([&](records::Records& records) -> Result<void> {
    const pki::Certificate& certificate = *device.factory_certificate;
    records::CertificateRecord record;
    record.ca = records::local_ca_name(site.get());
    record.serial = records::CertificateSerial(to_bytes(certificate.serial().content()));
    record.kind = records::CertificateKind::factory;
    record.subject = device.serial_id.get() + "." + site.get();
    record.spki_sha256 = certificate.spki_sha256();
    record.not_before = certificate.validity().not_before;
    record.not_after = certificate.validity().not_after;
    record.recorded_at = kNow;
    TRY_VOID(records.certificates().record_intent(record));
    TRY_VOID(records.certificates().record_issued(record.ca, record.serial, certificate.der()));
    records::DeviceRecord row;
    row.serial_id = device.serial_id;
    row.site = site;
    row.factory_spki_sha256 = record.spki_sha256;
    row.factory_serial = record.serial;
    row.created = kNow;
    TRY_VOID(records.devices().add(row));
    TRY(auto listed, records.sites().find(site));
    listed->ledger_sequence += 1;
    return records.sites().update(*listed);
  });
  return device;
}

void Installation::start_authority() {
  authority::Settings settings{
      .signer_socket = socket("signer"),
      .roles_of_uid = {{::getuid(), {"relay", "gateway", "status", "console"}}},
      .administrators = {::getuid()},
  };
  // Those of before take their names with them.
  role_listener_.reset();
  admin_listener_.reset();
  role_listener_ = *net::Listener::unix_socket(io_.executor(), socket("authority"));
  admin_listener_ = *net::Listener::unix_socket(io_.executor(), socket("admin"));
  authority_ = std::make_unique<authority::Authority>(io_.executor(), *database_, clock_, random_, std::move(settings));
  net::spawn(io_.executor(), begin(*authority_, *role_listener_, *admin_listener_, io_.executor()), "test.authority");
}

void Installation::stop_authority() {
  role_listener_->close();
  admin_listener_->close();
}

net::Task<std::shared_ptr<net::RpcPeer>> Installation::connect(std::string role) {
  auto stream = co_await net::connect_unix(socket(role), kCallLimit);
  EXPECT_TRUE(stream) << stream.error().detail;
  net::RpcOptions options;
  options.max_frame = records::kMaxRoleMessage;
  co_return net::RpcPeer::start(*std::move(stream), std::move(options));
}

net::Task<Result<records::CertificateChain>> Installation::enrol(std::shared_ptr<net::RpcPeer> gateway,
                                                                 const Device& device, crypto::PrivateKey& key) {
  records::EnrolRequest request;
  request.client_certificate = to_bytes(device.factory_certificate->der());
  request.client_chain = {to_bytes(site_cas_.at(device.site).der())};
  request.source = "127.0.0.1";
  CO_TRY(auto subject, pki::DistinguishedName::of("device"));
  CO_TRY(request.csr, pki::build_csr(key, subject));
  Bytes body = records::with_method(records::RoleMethod::enrol, records::encode(request));
  CO_TRY(auto bytes, co_await gateway->call(std::move(body), kCallLimit));
  co_return records::parse_certificate_chain(bytes);
}

net::Task<Result<records::CertificateChain>> Installation::renew(std::shared_ptr<net::RpcPeer> gateway,
                                                                 records::RoleMethod method, Bytes certificate,
                                                                 crypto::PrivateKey& key) {
  records::RenewRequest request{std::move(certificate), {}, "127.0.0.1"};
  CO_TRY(auto subject, pki::DistinguishedName::of("device"));
  CO_TRY(request.csr, pki::build_csr(key, subject));
  Bytes body = records::with_method(method, records::encode(request));
  CO_TRY(auto bytes, co_await gateway->call(std::move(body), kCallLimit));
  co_return records::parse_certificate_chain(bytes);
}

net::Task<Result<codec::Json>> Installation::administer(std::shared_ptr<net::RpcPeer> peer, std::string method,
                                                        codec::Json parameters, std::string tenant) {
  records::AdminRequest request;
  request.method = std::move(method);
  request.actor = "alice";
  request.role = records::UserRole::owner;
  request.tenant = std::move(tenant);
  request.parameters = parameters.write();
  Bytes body = records::with_method(records::RoleMethod::admin, records::encode(request));
  CO_TRY(auto bytes, co_await peer->call(std::move(body), kCallLimit));
  co_return codec::parse_json(as_text(bytes));
}

records::DeviceRecord Installation::device_record(const SerialId& serial_id, const SiteName& site) const {
  std::optional<records::DeviceRecord> found;
  read([&](records::Records& records) -> Result<void> {
    TRY(found, records.devices().find(site, serial_id));
    return {};
  });
  EXPECT_TRUE(found.has_value());
  return found.value_or(records::DeviceRecord{});
}

std::vector<records::CertificateRecord> Installation::operational_certificates(const SerialId& serial_id) const {
  const auto device = device_record(serial_id);
  std::vector<records::CertificateRecord> out;
  if (!device.name) return out;
  read([&](records::Records& records) -> Result<void> {
    TRY(out, records.certificates().list_by_subject(records::CertificateKind::operational, device.name->get()));
    return {};
  });
  return out;
}

void run(Installation& installation, net::Task<void> test) {
  net::run(installation.io(), std::move(test));
}

}  // namespace sallyport::integration
