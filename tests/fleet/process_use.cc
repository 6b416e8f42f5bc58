#include "process_use.h"

#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace sallyport::fleet {
namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

std::int64_t resident_kb() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("VmRSS:")) return std::strtoll(line.c_str() + 6, nullptr, 10);
  return 0;
}

std::int64_t open_descriptors() {
  std::error_code failure;
  std::int64_t count = 0;
  for (std::filesystem::directory_iterator at("/proc/self/fd", failure), end; !failure && at != end;
       at.increment(failure))
    ++count;
  return count;
}

}  // namespace

codec::Json use_of_this_process() {
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  return codec::Json::Object{{"cpu_s", seconds_of(use.ru_utime) + seconds_of(use.ru_stime)},
                             {"rss_kb", resident_kb()},
                             {"descriptors", open_descriptors()}};
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

}  // namespace sallyport::fleet
