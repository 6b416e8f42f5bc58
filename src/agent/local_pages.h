// The HTML of the device's own pages. Pure; everything that is shown is escaped.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/local_service.h"

namespace sallyport::agent {

std::string escape_html(std::string_view text);
std::string login_page(std::string_view serial_id, std::string_view message);
std::string change_password_page(std::string_view form_token, std::string_view message);
std::string status_page(std::string_view serial_id, const std::vector<PageRow>& rows, bool remote_access,
                        std::string_view form_token);

}  // namespace sallyport::agent
