// sallyport ssh: OpenSSH's client, with `sallyport connect` as the way to the device.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "commands.h"
#include "connect_settings.h"

namespace sallyport::cli {
namespace {

// For a POSIX shell, and then for ssh, which reads '%' in a ProxyCommand.
std::string quote(std::string_view word) {
  std::string out = "'";
  for (const char c : word) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
      if (c == '%') out += c;
    }
  }
  return out + "'";
}

Try<std::string> own_program() {
  std::error_code fault;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", fault);
  if (!fault) return path.native();
  return std::unexpected(Failure({Errc::internal, "ssh: where this program is cannot be told: " + fault.message()}));
}

// ssh and a shell read it: letters of names and nothing else.
Outcome check_device_text(std::string_view device) {
  const bool is_plain = !device.empty() && device.front() != '-' && std::ranges::all_of(device, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '/';
  });
  if (is_plain) return {};
  return std::unexpected(
      Failure({Errc::malformed, "device: want a serial id, SITE/SERIAL-ID or name"}, ExitStatus::usage));
}

std::string proxy_command(const Arguments& arguments, const std::string& program, const std::string& device) {
  std::string out = quote(program) + " connect";
  for (const Option& option : connect_options()) {
    if (const auto given = arguments.find(option.name)) out += fmt::format(" --{} {}", option.name, quote(*given));
  }
  if (const auto direct = arguments.find("direct")) out += " --direct " + quote(*direct);
  return out + " " + quote(device) + " " + quote(arguments.text("service"));
}

// Becomes ssh. Returns only when there is none.
Failure become_ssh(std::vector<std::string> words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  static_cast<void>(std::signal(SIGPIPE, SIG_DFL));
  ::execvp(pointers.front(), pointers.data());
  return Failure({Errc::not_found, fmt::format("ssh: {} (Debian package openssh-client)", std::strerror(errno))});
}

Outcome ssh(const Arguments& arguments, Environment&) {
  const std::string target = arguments.text("DEVICE");
  const std::size_t at = target.rfind('@');
  const std::string device = at == std::string::npos ? target : target.substr(at + 1);
  CLI_TRY_VOID(check_device_text(device));
  if (auto service = parse_service_name(arguments.text("service")); !service)
    return std::unexpected(Failure(std::move(service).error(), ExitStatus::usage));
  CLI_TRY_VOID(find_direct(arguments));
  CLI_TRY(const auto program, own_program());
  std::vector<std::string> words = {"ssh", "-o", "ProxyCommand=" + proxy_command(arguments, program, device), "-o",
                                    "HostKeyAlias=" + device + ".sallyport"};
  if (at != std::string::npos) words.insert(words.end(), {"-l", target.substr(0, at)});
  words.push_back(device);
  std::ranges::copy(arguments.list("ARGUMENT"), std::back_inserter(words));
  return std::unexpected(become_ssh(std::move(words)));
}

}  // namespace

std::vector<Command> ssh_commands() {
  std::vector<Option> options = {
      {.name = "DEVICE",
       .value = "DEVICE",
       .help = "its serial id, SITE/SERIAL-ID or name, USER@ before it; all that follows goes to ssh as it is",
       .required = true},
      {.name = "ARGUMENT", .value = "ARGUMENT", .help = "", .rest = true},
      {.name = "service", .value = "SERVICE", .help = "the device's SSH server", .fallback = "ssh"}};
  options.push_back(direct_option());
  std::ranges::copy(connect_options(), std::back_inserter(options));
  return {{.words = "ssh",
           .summary = "log in to a device by OpenSSH, encrypted up to the device",
           .example = "sallyport ssh root@sp-0001 uptime",
           .options = std::move(options),
           .run = ssh}};
}

}  // namespace sallyport::cli
