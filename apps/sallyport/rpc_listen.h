// `sallyport rpc trace` without a method: what passes at the brokers between others, as the brokers see it.
#pragma once

#include "command.h"

namespace sallyport::cli {

// NODE, topic and key-file where they are given, once and json, and how the brokers are reached.
Outcome rpc_listen(const Arguments& arguments, Environment& environment);

}  // namespace sallyport::cli
