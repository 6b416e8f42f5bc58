#include "disk_model.h"

#include <algorithm>
#include <cstring>
#include <set>

namespace sallyport::crash {
namespace {

using Kind = Operation::Kind;

constexpr std::uint8_t kGarbage = 0xA5;

void write_at(Bytes& content, std::uint64_t offset, ByteView data) {
  if (content.size() < offset + data.size()) content.resize(offset + data.size(), 0);
  std::ranges::copy(data, content.begin() + static_cast<std::ptrdiff_t>(offset));
}

void apply_whole(Bytes& content, const Operation& operation) {
  if (operation.kind == Kind::truncate) {
    content.resize(operation.offset, 0);
  } else {
    write_at(content, operation.offset, operation.data);
  }
}

std::uint64_t size_after(std::uint64_t size, const Operation& operation) {
  if (operation.kind == Kind::truncate) return operation.offset;
  return std::max<std::uint64_t>(size, operation.offset + operation.data.size());
}

// The part of one sector that `operation` changes.
void apply_to_sector(std::span<std::uint8_t> sector, std::uint64_t begin, const Operation& operation) {
  const std::uint64_t end = begin + sector.size();
  if (operation.kind == Kind::truncate) {
    if (operation.offset >= end) return;
    const std::uint64_t from = std::max(begin, operation.offset);
    std::fill(sector.begin() + static_cast<std::ptrdiff_t>(from - begin), sector.end(), std::uint8_t{0});
    return;
  }
  const std::uint64_t from = std::max(begin, operation.offset);
  const std::uint64_t to = std::min<std::uint64_t>(end, operation.offset + operation.data.size());
  if (from >= to) return;
  std::memcpy(sector.data() + (from - begin), operation.data.data() + (from - operation.offset), to - from);
}

bool touches(const Operation& operation, std::uint64_t begin) {
  if (operation.kind == Kind::truncate) return operation.offset < begin + kSector;
  return operation.offset < begin + kSector && operation.offset + operation.data.size() > begin;
}

std::set<std::uint64_t> sectors_of(const std::vector<Operation>& pending, std::uint64_t longest) {
  std::set<std::uint64_t> out;
  for (const Operation& operation : pending) {
    const std::uint64_t first = operation.offset / kSector * kSector;
    const std::uint64_t end = operation.kind == Kind::truncate ? longest : operation.offset + operation.data.size();
    for (std::uint64_t at = first; at < end; at += kSector) out.insert(at);
  }
  return out;
}

// Each sector gets one of the contents that it had; the file one of the sizes.
Bytes scatter(const Bytes& durable, const std::vector<Operation>& pending, bool garbage, Random& random) {
  std::vector<std::uint64_t> sizes = {durable.size()};
  for (const Operation& operation : pending) sizes.push_back(size_after(sizes.back(), operation));
  const std::uint64_t longest = *std::ranges::max_element(sizes);
  Bytes content = durable;
  content.resize((longest + kSector - 1) / kSector * kSector, 0);
  for (const std::uint64_t begin : sectors_of(pending, longest)) {
    std::vector<const Operation*> history;
    for (const Operation& operation : pending) {
      if (touches(operation, begin)) history.push_back(&operation);
    }
    const std::uint64_t kept = random.below(history.size() + 1);
    const std::span<std::uint8_t> sector(content.data() + begin, kSector);
    if (kept == 0 && garbage && begin >= durable.size() && random.below(2) == 0) random.fill(sector);
    for (std::uint64_t i = 0; i < kept; ++i) apply_to_sector(sector, begin, *history[i]);
  }
  content.resize(sizes[random.below(sizes.size())]);
  return content;
}

// Every content that one sector had.
std::set<Bytes> contents_of_sector(const Bytes& durable, const std::vector<Operation>& pending, std::uint64_t begin) {
  Bytes sector(kSector, 0);
  if (begin < durable.size()) {
    const auto from = durable.begin() + static_cast<std::ptrdiff_t>(begin);
    std::copy(from, from + static_cast<std::ptrdiff_t>(std::min(kSector, durable.size() - begin)), sector.begin());
  }
  std::set<Bytes> out = {sector};
  if (begin >= durable.size()) out.insert(Bytes(kSector, kGarbage));
  for (const Operation& operation : pending) {
    if (!touches(operation, begin)) continue;
    apply_to_sector(sector, begin, operation);
    out.insert(sector);
  }
  return out;
}

std::set<Bytes> all_contents(const Bytes& durable, const std::vector<Operation>& pending) {
  std::set<std::uint64_t> sizes = {durable.size()};
  std::uint64_t size = durable.size();
  for (const Operation& operation : pending) sizes.insert(size = size_after(size, operation));
  Bytes whole = durable;
  whole.resize((*sizes.rbegin() + kSector - 1) / kSector * kSector, 0);
  std::vector<Bytes> combined = {whole};
  for (const std::uint64_t begin : sectors_of(pending, *sizes.rbegin())) {
    std::vector<Bytes> next;
    for (const Bytes& sector : contents_of_sector(durable, pending, begin)) {
      for (Bytes each : combined) {
        std::ranges::copy(sector, each.begin() + static_cast<std::ptrdiff_t>(begin));
        next.push_back(std::move(each));
      }
    }
    combined = std::move(next);
  }
  std::set<Bytes> out;
  for (const std::uint64_t kept : sizes) {
    for (const Bytes& each : combined) out.emplace(each.begin(), each.begin() + static_cast<std::ptrdiff_t>(kept));
  }
  return out;
}

// Makes the pages that `pending` touched durable, as they are in the cache.
void write_back(const Bytes& cache, const std::vector<Operation>& pending, Bytes& durable) {
  durable.resize(cache.size(), 0);
  for (const Operation& operation : pending) {
    const std::uint64_t end =
        operation.kind == Kind::truncate ? cache.size() : operation.offset + operation.data.size();
    const std::uint64_t from = operation.offset / kPage * kPage;
    const std::uint64_t to = std::min<std::uint64_t>(cache.size(), (end + kPage - 1) / kPage * kPage);
    if (from < to) std::memcpy(durable.data() + from, cache.data() + from, to - from);
  }
}

void apply_name(std::map<std::string, std::uint64_t>& names, const Operation& operation) {
  switch (operation.kind) {
    case Kind::create:
      names[operation.name] = operation.file;
      return;
    case Kind::unlink:
      names.erase(operation.name);
      return;
    case Kind::rename:
      if (const auto found = names.find(operation.name); found != names.end()) {
        names[operation.to] = found->second;
        names.erase(operation.name);
      }
      return;
    default:
      return;
  }
}

}  // namespace

std::map<std::string, std::uint64_t> number_files(const Image& durable) {
  std::map<std::string, std::uint64_t> out;
  for (const auto& [name, content] : durable) out.emplace(name, out.size() + 1);
  return out;
}

std::string Disk::folder_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? std::string_view() : path.substr(0, slash));
}

Disk::Disk(const Image& durable) {
  for (const auto& [name, number] : number_files(durable)) {
    files_[number] = {.durable = durable.at(name), .cache = durable.at(name), .pending = {}};
    folders_[folder_of(name)].durable.emplace(name, number);
  }
}

void Disk::apply(const Operation& operation) {
  switch (operation.kind) {
    case Kind::write:
    case Kind::truncate:
      apply_whole(files_[operation.file].cache, operation);
      files_[operation.file].pending.push_back(operation);
      return;
    case Kind::sync: {
      File& file = files_[operation.file];
      write_back(file.cache, file.pending, file.durable);
      file.pending.clear();
      return;
    }
    case Kind::failed_sync:
      files_[operation.file].pending.clear();
      return;
    case Kind::create:
      files_[operation.file];
      [[fallthrough]];
    case Kind::rename:
    case Kind::unlink:
      folders_[folder_of(operation.name)].pending.push_back(operation);
      return;
    case Kind::sync_folder: {
      Folder& folder = folders_[operation.name];
      for (const Operation& pending : folder.pending) apply_name(folder.durable, pending);
      folder.pending.clear();
      return;
    }
  }
}

Bytes Disk::survivor(const File& file, Survival survival, Random& random) const {
  Bytes content = file.durable;
  switch (survival) {
    case Survival::everything:
      for (const Operation& operation : file.pending) apply_whole(content, operation);
      return content;
    case Survival::nothing:
      return content;
    case Survival::in_order: {
      const std::uint64_t kept = random.below(file.pending.size() + 1);
      for (std::uint64_t i = 0; i < kept; ++i) apply_whole(content, file.pending[i]);
      return content;
    }
    case Survival::whole_writes:
      for (const Operation& operation : file.pending) {
        if (random.below(2) == 0) apply_whole(content, operation);
      }
      return content;
    case Survival::sectors:
      return scatter(content, file.pending, false, random);
    case Survival::sectors_and_garbage:
      return scatter(content, file.pending, true, random);
  }
  return content;
}

Image Disk::crash(Survival survival, Random& random) const {
  Image out;
  for (const auto& [path, folder] : folders_) {
    auto names = folder.durable;
    std::uint64_t kept = folder.pending.size();
    if (survival == Survival::nothing) kept = 0;
    if (survival != Survival::nothing && survival != Survival::everything) kept = random.below(kept + 1);
    for (std::uint64_t i = 0; i < kept; ++i) apply_name(names, folder.pending[i]);
    for (const auto& [name, number] : names) out[name] = survivor(files_.at(number), survival, random);
  }
  return out;
}

std::vector<Disk::Names> Disk::all_names() const {
  std::vector<Names> out = {{}};
  for (const auto& [path, folder] : folders_) {
    std::vector<Names> next;
    Names names = folder.durable;
    for (std::size_t kept = 0;; ++kept) {
      for (Names each : out) {
        each.insert(names.begin(), names.end());
        next.push_back(std::move(each));
      }
      if (kept == folder.pending.size()) break;
      apply_name(names, folder.pending[kept]);
    }
    out = std::move(next);
  }
  return out;
}

void Disk::each_crash(const std::function<void(const Image&)>& visit) const {
  std::map<std::uint64_t, std::set<Bytes>> contents;
  std::set<std::uint64_t> seen;
  for (const Names& names : all_names()) {
    std::vector<Image> images = {{}};
    for (const auto& [name, number] : names) {
      const File& file = files_.at(number);
      const auto [found, is_new] = contents.try_emplace(number);
      if (is_new) found->second = all_contents(file.durable, file.pending);
      std::vector<Image> next;
      for (const Bytes& content : found->second) {
        for (Image each : images) {
          each[name] = content;
          next.push_back(std::move(each));
        }
      }
      images = std::move(next);
    }
    for (const Image& image : images) {
      if (seen.insert(fingerprint(image)).second) visit(image);
    }
  }
}

std::uint64_t fingerprint(const Image& image) {
  const auto hash_of = [](ByteView bytes) { return std::uint64_t{std::hash<std::string_view>()(as_text(bytes))}; };
  std::uint64_t hash = image.size();
  for (const auto& [name, content] : image) {
    for (const ByteView part : {as_bytes(name), ByteView(content)}) hash = hash * 0x9E3779B97F4A7C15U + hash_of(part);
  }
  return hash;
}

}  // namespace sallyport::crash
