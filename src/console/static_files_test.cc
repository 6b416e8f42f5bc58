#include "console/static_files.h"

#include "console/detail/test_console.h"

namespace sallyport::console {
namespace {

TEST_F(ConsoleTest, ServesTheFrontEndForEveryPathOfThePage) {
  const auto index = send(get("/"));
  ASSERT_EQ(index.status, 200U);
  EXPECT_EQ(index.headers.get("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(index.headers.get("Cache-Control"), "no-cache");
  EXPECT_EQ(send(get("/devices/abcdefgh22")).body, index.body);
  EXPECT_EQ(send(get("/open?device=x")).body, index.body);
  auto again = get("/");
  again.headers.set("If-None-Match", index.headers.get("ETag"));
  const auto unchanged = send(again);
  EXPECT_EQ(unchanged.status, 304U);
  EXPECT_TRUE(unchanged.body.empty());
  EXPECT_EQ(send(post("/", "")).status, 405U);
}

TEST_F(ConsoleTest, ServesEveryAssetAsItWasBuilt) {
  bool saw_compressed = false;
  bool saw_immutable = false;
  for (const WebAsset& asset : web_assets()) {
    const auto plain = send(get(std::string(asset.path)));
    ASSERT_EQ(plain.status, 200U) << asset.path;
    EXPECT_EQ(plain.body, to_bytes(asset.bytes)) << asset.path;
    EXPECT_EQ(plain.headers.get("Content-Type"), asset.content_type) << asset.path;
    EXPECT_EQ(plain.headers.get("Cache-Control").contains("immutable"), asset.immutable) << asset.path;
    saw_immutable |= asset.immutable;
    if (asset.gzip.empty() || saw_compressed) continue;
    auto request = get(std::string(asset.path));
    request.headers.set("Accept-Encoding", "br, gzip");
    const auto compressed = send(request);
    EXPECT_EQ(compressed.headers.get("Content-Encoding"), "gzip");
    EXPECT_EQ(compressed.body, to_bytes(asset.gzip)) << asset.path;
    EXPECT_NE(compressed.headers.get("ETag"), plain.headers.get("ETag"));
    saw_compressed = true;
  }
  EXPECT_TRUE(saw_compressed && saw_immutable);
}

TEST_F(ConsoleTest, SaysWhatABrowserMayDoWithIt) {
  for (const char* path : {"/", "/api/v1/session", "/api/openapi.yaml"}) {
    const auto response = send(get(path));
    EXPECT_EQ(response.headers.get("Content-Security-Policy"),
              "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
              "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self' "
              "https://*.devices.example:*; frame-ancestors 'none'")
        << path;
    EXPECT_EQ(response.headers.get("Cross-Origin-Opener-Policy"), "same-origin");
    EXPECT_EQ(response.headers.get("Referrer-Policy"), "strict-origin");
    EXPECT_EQ(response.headers.get("X-Content-Type-Options"), "nosniff");
    EXPECT_TRUE(response.headers.has("Strict-Transport-Security"));
    EXPECT_TRUE(response.headers.has("Permissions-Policy"));
  }
}

TEST(HttpsOrigin, LeavesOutTheDefaultPort) {
  EXPECT_EQ(https_origin("console.example", 443), "https://console.example");
  EXPECT_EQ(https_origin("console.example", 8443), "https://console.example:8443");
}

}  // namespace
}  // namespace sallyport::console
