// The file layer of this very program, under a test's control: everything that it does to files below one folder is
// recorded, and fails on order. SQLite, the factory's ledger and the state folders all come by here, because this
// program defines the system calls' own functions (open, pwrite64, fdatasync, rename, …) in place of the C library's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "disk_model.h"

namespace sallyport::crash {

// Calls that can be made to fail. write: also growing and cutting a file; sync: of files and folders.
enum class Call : std::uint8_t { write, sync, read };

// From the `first`th call of its kind on (from 1, counted since watch() or since the fault was ordered) calls fail with
// `error`; once, or until heal().
struct Fault {
  Call call{};
  std::uint64_t first = 1;
  int error = 0;
  bool once = false;
};

// Thread-safe. One for the process.
class FileCalls {
 public:
  static FileCalls& get();

  // From now on what happens below `folder` is recorded and may fail; files that are open already are not seen. The
  // shared memory of a WAL (`…-shm`) is left out of the record, as it is no part of what a disk keeps, and so are
  // locks.
  void watch(const std::filesystem::path& folder);
  // Ends that and returns the record.
  std::vector<Operation> stop();
  // How many operations were recorded so far.
  std::size_t position() const;

  void order(Fault fault);
  // Whether the ordered fault has struck.
  bool has_struck() const;
  void heal();
  // Calls of that kind since watch() or order(), those that failed included.
  std::uint64_t count(Call call) const;
};

// The files below a folder, as they are.
Image read_image(const std::filesystem::path& folder);
// Makes the folder hold exactly these files.
void write_image(const std::filesystem::path& folder, const Image& image);

// A folder of its own on a disk in memory where there is one, removed at the end.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace sallyport::crash
