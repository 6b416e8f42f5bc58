// The folder of a factory station, as the commands open it.
#pragma once

#include "command.h"
#include "factory/station.h"

namespace sallyport::cli {

Option factory_option();
// The station in the folder that --factory names.
Try<factory::Station> open_station(const Arguments& arguments, Environment& environment);

}  // namespace sallyport::cli
