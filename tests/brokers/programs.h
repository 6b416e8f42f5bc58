// Foreign programs for tests: started with arguments, looked at by what they print, ended by process id.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "net/descriptor.h"

namespace sallyport::brokers_test {

// A folder of its own, removed at the end.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string path(const std::string& file) const { return path_ + "/" + file; }
  void write(const std::string& file, const std::string& text) const;
  std::string read(const std::string& file) const;

 private:
  std::string path_;
};

// A program whose output, both kinds, is read through a pipe. Ended by the destructor.
class Program {
 public:
  explicit Program(const std::vector<std::string>& command);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Reads its output until `words` were in it; false, and a test failure with all it printed, when it ends or ten
  // seconds pass before.
  bool wait_for(const std::string& words);
  // Waits for its end; everything that it printed. A status other than 0 is a test failure.
  std::string finish();
  void kill();

 private:
  bool read_more();
  pid_t pid_ = -1;
  net::Descriptor output_;
  std::string printed_;
};

// Runs a program to its end.
std::string run_program(const std::vector<std::string>& command);
// A port of loopback that nobody uses.
std::string free_port();

}  // namespace sallyport::brokers_test
