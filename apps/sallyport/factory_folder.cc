#include "factory_folder.h"

#include "folders.h"

namespace sallyport::cli {

Option factory_option() {
  return {.name = "factory", .value = "DIR", .help = "the station's own folder", .required = true};
}

Try<factory::Station> open_station(const Arguments& arguments, Environment& environment) {
  auto folder = open_state(arguments.path("factory"), factory::kFactoryFormat);
  if (!folder) return std::unexpected(std::move(folder).error());
  return in_state(factory::Station::open(*std::move(folder), environment.clock, environment.random));
}

}  // namespace sallyport::cli
