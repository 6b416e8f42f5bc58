#include "agent/local_pages.h"

namespace sallyport::agent {
namespace {

constexpr std::string_view kStyle =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem;color:#1b2733;"
    "background:#f6f8fa}main{background:#fff;border:1px solid #d5dde5;border-radius:8px;padding:1.5rem}"
    "h1{font-size:1.3rem;margin:0 0 1rem}table{border-collapse:collapse;width:100%}"
    "th{text-align:left;font-weight:500;color:#52616f;padding:.3rem 1rem .3rem 0;vertical-align:top;width:12rem}"
    "td{padding:.3rem 0;overflow-wrap:anywhere}label{display:block;margin:.75rem 0 .25rem}"
    "input{font:inherit;width:100%;box-sizing:border-box;padding:.45rem;border:1px solid #9fb0bf;border-radius:4px}"
    "button{font:inherit;margin-top:1rem;padding:.45rem 1rem;border:0;border-radius:4px;background:#0b5cad;color:#fff}"
    "form.inline{display:inline-block;margin-right:.75rem}p.message{background:#fdf0d5;padding:.5rem .75rem;"
    "border-radius:4px}@media(prefers-color-scheme:dark){body{background:#11171d;color:#dbe4ec}main{background:#19222b;"
    "border-color:#2c3a47}th{color:#93a5b5}input{background:#11171d;color:inherit}p.message{background:#4a3b12}}";

std::string page(std::string_view title, std::string_view body) {
  return fmt::format(
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\"><title>{0}</title><style>{1}</style></head>"
      "<body><main><h1>{0}</h1>{2}</main></body></html>\n",
      escape_html(title), kStyle, body);
}

std::string message_line(std::string_view message) {
  return message.empty() ? std::string()
                         : fmt::format("<p class=\"message\" role=\"alert\">{}</p>", escape_html(message));
}

std::string token_field(std::string_view token) {
  return fmt::format("<input type=\"hidden\" name=\"token\" value=\"{}\">", escape_html(token));
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string login_page(std::string_view serial_id, std::string_view message) {
  const std::string form =
      "<form method=\"post\" action=\"/login\"><label for=\"password\">Device password</label>"
      "<input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" required autofocus>"
      "<button>Log in</button></form>";
  return page(fmt::format("Device {}", serial_id), message_line(message) + form);
}

std::string change_password_page(std::string_view form_token, std::string_view message) {
  const std::string form = fmt::format(
      "<form method=\"post\" action=\"/password\">{}"
      "<label for=\"new\">New password, at least {} characters</label>"
      "<input id=\"new\" name=\"new\" type=\"password\" autocomplete=\"new-password\" minlength=\"{}\" required "
      "autofocus>"
      "<label for=\"again\">The same again</label>"
      "<input id=\"again\" name=\"again\" type=\"password\" autocomplete=\"new-password\" required>"
      "<button>Set password</button></form>",
      token_field(form_token), kLeastPassword, kLeastPassword);
  return page("Choose a password", message_line(message) + form);
}

std::string status_page(std::string_view serial_id, const std::vector<PageRow>& rows, bool remote_access,
                        std::string_view form_token) {
  std::string body = "<table>";
  for (const PageRow& row : rows) {
    body += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escape_html(row.name), escape_html(row.value));
  }
  body += fmt::format(
      "</table><form class=\"inline\" method=\"post\" action=\"/remote-access\">{}"
      "<input type=\"hidden\" name=\"on\" value=\"{}\"><button>{}</button></form>"
      "<form class=\"inline\" method=\"post\" action=\"/logout\">{}<button>Log out</button></form>",
      token_field(form_token), remote_access ? "false" : "true",
      remote_access ? "Switch remote access off" : "Switch remote access on", token_field(form_token));
  return page(fmt::format("Device {}", serial_id), body);
}

}  // namespace sallyport::agent
