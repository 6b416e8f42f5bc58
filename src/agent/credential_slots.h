// A key and its certificate chain in two slots, so that a power cut at any point leaves a credential that works, or a
// key under which the same request is made again.
//
//   <prefix>.0.key <prefix>.0.pem   <prefix>.1.key <prefix>.1.pem   <prefix>.current: "0" or "1"
//
//   key durable in the spare slot → CSR leaves → certificate durable beside it → `current` renamed → old slot emptied →
//   the new credential is used for the first time
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto/tls.h"
#include "pki/certificate.h"

namespace sallyport::agent {

struct Credential {
  std::shared_ptr<const crypto::PrivateKey> key;
  std::vector<pki::Certificate> chain;  // leaf first, without the root

  const pki::Certificate& leaf() const { return chain.front(); }
  crypto::TlsIdentity identity() const;
};

// Reads "<stem>.key" and "<stem>.pem"; absent when either is missing. Errc::conflict when they do not belong together.
Result<std::optional<Credential>> find_credential(const std::filesystem::path& stem);

class CredentialSlots {
 public:
  // Told after every durable step, by name; tests take a picture of the folder there.
  using StepObserver = std::function<void(std::string_view step)>;

  CredentialSlots(std::filesystem::path folder, std::string prefix, StepObserver on_step = {});

  // The credential in use; absent before the first. Finishes or undoes what a crash interrupted.
  Result<std::optional<Credential>> load();
  // Told whenever another credential has come into use, before the old one is removed. May be empty.
  void on_switch(std::function<void()> told) { on_switch_ = std::move(told); }
  // The file names of the credential in use, without ".key" and ".pem"; absent before the first.
  Result<std::optional<std::string>> current_stem() const;
  // The key for the next request: durable when this returns, and the same until its certificate is stored.
  Result<crypto::PrivateKey> pending_key();
  // Stores the certificate for pending_key() and takes both into use. Errc::conflict when it is for another key.
  Result<Credential> store(const std::vector<pki::Certificate>& chain);
  // Forgets everything.
  Result<void> clear();

 private:
  std::filesystem::path stem(int slot) const;
  std::filesystem::path key_file(int slot) const { return stem(slot).native() + ".key"; }
  std::filesystem::path chain_file(int slot) const { return stem(slot).native() + ".pem"; }
  Result<std::optional<int>> current() const;
  Result<void> switch_to(int slot);
  Result<void> empty(int slot);
  void step(std::string_view name) const;

  std::filesystem::path folder_;
  std::string prefix_;
  StepObserver on_step_;
  std::function<void()> on_switch_;
};

}  // namespace sallyport::agent
