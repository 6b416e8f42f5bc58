#include "rpcnode/audit_trail.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "codec/json.h"
#include "codec/json_text.h"
#include "codec/text.h"
#include "keystore/file.h"

namespace sallyport::rpcnode {
namespace {

using codec::Json;

constexpr std::size_t kUsualLine = 512;

// `before`, with what separates it from the member before, and the text, cut.
void write_member(std::string& line, std::string_view before, std::string_view text) {
  line += before;
  codec::write_json_text(line, codec::cut_utf8(codec::is_utf8(text) ? text : "not UTF-8", kMaxAuditText));
}

// A text of our own: printable ASCII in which nothing is escaped.
void write_own(std::string& line, std::string_view before, std::string_view text) {
  line += before;
  line += '"';
  line += text;
  line += '"';
}

// What a line says of the one before it.
struct Link {
  std::uint64_t line = 0;
  crypto::Sha256Digest before{};
};

Result<Link> read_link(std::string_view line) {
  TRY(const Json json, codec::parse_json(line));
  Link out;
  TRY(const std::int64_t number, json.integer_at("line"));
  if (number < 1) return failf(Errc::malformed, "number {}, want 1 or more", number);
  out.line = static_cast<std::uint64_t>(number);
  TRY(const std::string before, json.text_at("before"));
  TRY(const Bytes hash, codec::decode_hex(before));
  if (hash.size() != out.before.size()) return failf(Errc::malformed, "before: {} bytes, want 32", hash.size());
  std::ranges::copy(hash, out.before.begin());
  return out;
}

Result<void> follow(std::string_view line, AuditHead& head) {
  TRY(const Link link, read_link(line));
  if (link.line != head.lines + 1) return failf(Errc::malformed, "has number {}, want {}", link.line, head.lines + 1);
  if (link.before != head.hash) return fail(Errc::malformed, "does not continue the line before it");
  head = {.lines = link.line, .hash = crypto::sha256(as_bytes(line))};
  return {};
}

std::string_view first_line(std::string_view text) {
  return text.substr(0, text.find('\n'));
}

// The head that the first line of `text` goes on from; that of an empty file is `otherwise`.
Result<AuditHead> head_before(std::string_view text, const AuditHead& otherwise) {
  if (text.find('\n') == std::string_view::npos) return otherwise;
  auto link = read_link(first_line(text));
  if (!link) return std::unexpected(std::move(link).error().at("line 1"));
  return AuditHead{.lines = link->line - 1, .hash = link->before};
}

Result<std::optional<Bytes>> read_if_there(const std::filesystem::path& path) {
  auto bytes = keystore::read_file(path, 2 * kMaxAuditFile);
  if (bytes) return std::optional(*std::move(bytes));
  if (bytes.error().code == Errc::not_found) return std::nullopt;
  return std::unexpected(std::move(bytes).error());
}

std::filesystem::path audit_file(const std::filesystem::path& folder, std::size_t age) {
  return folder / (age == 0 ? std::string("audit.jsonl") : fmt::format("audit.{}.jsonl", age));
}

}  // namespace

// Members in the order of their names, as everywhere.
std::string encode_audit_line(const AuditEntry& entry, AuditHead& head) {
  std::string line;
  line.reserve(kUsualLine);
  write_own(line, "{\"before\":", codec::encode_hex(head.hash));
  write_own(line, ",\"call\":", sealed::to_text(entry.id));
  line += ",\"items\":[";
  const std::size_t named = std::min(entry.items.size(), kAuditItems);
  for (std::size_t i = 0; i < named; ++i) write_member(line, i == 0 ? "" : ",", entry.items[i]);
  line += ']';
  if (entry.items.size() > named) fmt::format_to(std::back_inserter(line), ",\"items_in_all\":{}", entry.items.size());
  fmt::format_to(std::back_inserter(line), ",\"line\":{}", head.lines + 1);
  write_member(line, ",\"method\":", entry.method);
  if (!entry.reason.empty()) write_member(line, ",\"reason\":", entry.reason);
  write_member(line, ",\"result\":", entry.result);
  write_own(line, ",\"time\":", to_iso8601(entry.time));
  fmt::format_to(std::back_inserter(line), ",\"took_ms\":{}", entry.took.count());
  write_member(line, ",\"way\":", entry.way);
  write_member(line, ",\"who\":", entry.who);
  line += '}';
  head = {.lines = head.lines + 1, .hash = crypto::sha256(as_bytes(line))};
  line += '\n';
  return line;
}

Result<AuditHead> check_audit_lines(std::string_view text, AuditHead head) {
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    const std::uint64_t number = head.lines + 1;
    if (auto followed = follow(text.substr(0, end), head); !followed)
      return std::unexpected(std::move(followed).error().at(fmt::format("line {}", number)));
    text.remove_prefix(end + 1);
  }
  return head;
}

std::filesystem::path AuditTrail::file(std::size_t age) const {
  return audit_file(folder_, age);
}

Result<std::unique_ptr<AuditTrail>> AuditTrail::open(std::filesystem::path folder, net::TaskGroup& tasks) {
  std::unique_ptr<AuditTrail> out(new AuditTrail(std::move(folder), tasks));
  // A crash between two renames leaves the newest file one step older.
  TRY(const auto older, read_if_there(out->file(1)));
  if (older) {
    TRY(const AuditHead start, head_before(as_text(*older), {}));
    auto head = check_audit_lines(as_text(*older), start);
    if (!head) return std::unexpected(std::move(head).error().at(out->file(1).native()));
    out->base_ = *head;
  }
  TRY_VOID(out->open_current());
  return out;
}

// Goes on from what is in the files, whatever was meant to be.
Result<void> AuditTrail::open_current() {
  is_turning_ = false;
  held_.clear();
  TRY(auto opened, keystore::AppendFile::open(file(0), keystore::kSecretMode));
  TRY(const Bytes bytes, opened.read_all(2 * kMaxAuditFile));
  const std::string_view text = as_text(bytes);
  auto start = head_before(text, base_);
  if (!start) return std::unexpected(std::move(start).error().at(file(0).native()));
  auto head = check_audit_lines(text, *start);
  if (!head) return std::unexpected(std::move(head).error().at(file(0).native()));
  const std::size_t end = text.rfind('\n');
  TRY_VOID(opened.cut(end == std::string_view::npos ? 0 : end + 1));
  head_ = *head;
  log_ = std::make_unique<DurableLog>(std::move(opened), tasks_);
  return {};
}

bool AuditTrail::is_ready() const {
  return log_ != nullptr && !log_->is_broken() && log_->unwritten() + held_.size() < kMaxUnwritten / 2;
}

bool AuditTrail::is_idle() {
  static_cast<void>(turn());
  return log_ == nullptr || (log_->is_idle() && held_.empty());
}

Result<void> AuditTrail::add(const AuditEntry& entry) {
  if (log_ == nullptr) return fail(Errc::unavailable, "audit: the file could not be opened again");
  AuditHead after = head_;
  const std::string line = encode_audit_line(entry, after);
  if (!is_turning_) {
    TRY_VOID(log_->post(to_bytes(line)));
  } else if (held_.size() + line.size() <= kMaxUnwritten) {
    append(held_, as_bytes(line));
  } else {
    return failf(Errc::overloaded, "audit: {} bytes wait for the next file already", held_.size());
  }
  head_ = after;
  return turn();
}

Result<void> AuditTrail::on_tick() {
  if (log_ == nullptr) return open_current();
  if (log_->is_broken() && log_->is_idle()) {
    log_.reset();
    TRY_VOID(open_current());
    return failf(Errc::unavailable, "audit: what waited for the disk is lost; the chain goes on after line {}",
                 head_.lines);
  }
  if (!is_turning_ && log_->size() >= kMaxAuditFile) {
    is_turning_ = true;
    base_ = head_;
  }
  return turn();
}

// Begins the next file, when it is due and the last line of this one is on disk.
Result<void> AuditTrail::turn() {
  if (!is_turning_ || log_ == nullptr || log_->is_broken() || !log_->is_idle()) return {};
  const AuditHead last = head_;
  const Bytes held = std::exchange(held_, {});
  TRY_VOID(rotate());
  if (held.empty()) return {};
  TRY_VOID(log_->post(held));
  head_ = last;
  return {};
}

Result<void> AuditTrail::rotate() {
  log_.reset();
  std::error_code ignored;
  std::filesystem::remove(file(kAuditFilesKept), ignored);
  for (std::size_t age = kAuditFilesKept; age > 0; --age) std::filesystem::rename(file(age - 1), file(age), ignored);
  return open_current();
}

Result<AuditHead> check_audit_trail(const std::filesystem::path& folder) {
  std::optional<AuditHead> head;
  for (std::size_t age = kAuditFilesKept + 1; age-- > 0;) {
    TRY(const auto bytes, read_if_there(audit_file(folder, age)));
    if (!bytes) continue;
    TRY(const AuditHead start, head_before(as_text(*bytes), head.value_or(AuditHead{})));
    auto checked = check_audit_lines(as_text(*bytes), head.value_or(start));
    if (!checked) return std::unexpected(std::move(checked).error().at(audit_file(folder, age).native()));
    head = *checked;
  }
  return head.value_or(AuditHead{});
}

}  // namespace sallyport::rpcnode
