#include "config/document.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <fstream>

#include "config/detail/closest_name.h"

namespace sallyport::config {
namespace {

constexpr Range<milliseconds> kAnyDuration{milliseconds(0), hours(24 * 365)};
constexpr Range<std::uint64_t> kAnySize{0, 1ULL << 40U};

Document document(std::string_view text) {
  return Document::parse(text, "relay.toml").value();
}

template <class T>
std::string error_of(const Result<T>& result) {
  return result ? "no error" : result.error().detail;
}

TEST(Document, ReadsEveryType) {
  const auto parsed = document(R"(
name = "relay-1"
on = true
port = 443
wait = "10s"
buffer = "64kB"
hosts = ["a", "b"]
[listener.tls]
file = "x.pem"
[[route]]
to = "one"
[[route]]
to = "two"
[service.ssh]
port = 22
[service.web]
port = 80
)");
  const Table& root = parsed.root();
  EXPECT_EQ(root.text("name").value(), "relay-1");
  EXPECT_EQ(root.find_text("name").value(), "relay-1");
  EXPECT_TRUE(root.boolean("on").value());
  EXPECT_EQ(root.integer("port", {1, 65'535}).value(), 443);
  EXPECT_EQ(root.duration("wait", kAnyDuration).value(), seconds(10));
  EXPECT_EQ(root.size("buffer", kAnySize).value(), 64'000U);
  EXPECT_EQ(root.texts("hosts").value(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(root.table("listener").value().table("tls").value().text("file").value(), "x.pem");
  const auto routes = root.tables("route").value();
  ASSERT_EQ(routes.size(), 2U);
  EXPECT_EQ(routes[0].text("to").value(), "one");
  EXPECT_EQ(routes[1].text("to").value(), "two");
  const auto services = root.named_tables("service").value();
  ASSERT_EQ(services.size(), 2U);
  EXPECT_EQ(services[0].first, "ssh");
  EXPECT_EQ(services[1].second.integer("port", {1, 65'535}).value(), 80);
  EXPECT_FALSE(parsed.finish()) << "the port of ssh was not read";
  EXPECT_EQ(services[0].second.integer("port", {1, 65'535}).value(), 22);
  EXPECT_TRUE(parsed.finish());
}

TEST(Document, FallsBackForWhatIsAbsent) {
  const auto parsed = document("");
  const Table& root = parsed.root();
  EXPECT_EQ(root.text("name", "x").value(), "x");
  EXPECT_EQ(root.find_text("name").value(), std::nullopt);
  EXPECT_TRUE(root.boolean("on", true).value());
  EXPECT_EQ(root.integer("port", {1, 9}, 5).value(), 5);
  EXPECT_EQ(root.duration("wait", kAnyDuration, minutes(2)).value(), minutes(2));
  EXPECT_EQ(root.size("buffer", kAnySize, 7).value(), 7U);
  EXPECT_TRUE(root.texts("hosts").value().empty());
  EXPECT_FALSE(root.find_table("listener").value().has_value());
  EXPECT_TRUE(root.tables("route").value().empty());
  EXPECT_TRUE(root.named_tables("service").value().empty());
  EXPECT_FALSE(root.has("name"));
  EXPECT_TRUE(parsed.finish());
}

TEST(Document, NamesFileLineAndLikelyMeaningOfAnUnknownKey) {
  const auto parsed = document("[listener]\naddress = \"x\"\nhello_timout = \"3s\"\n");
  const auto listener = parsed.root().table("listener").value();
  EXPECT_TRUE(listener.text("address"));
  EXPECT_TRUE(listener.duration("hello_timeout", kAnyDuration, seconds(1)));
  EXPECT_EQ(error_of(parsed.finish()), "relay.toml:3: unknown key 'hello_timout' (did you mean 'hello_timeout'?)");
}

TEST(Document, SuggestsNothingFarFetched) {
  const auto parsed = document("zebra = 1\n");
  EXPECT_TRUE(parsed.root().text("address", ""));
  EXPECT_EQ(error_of(parsed.finish()), "relay.toml:1: unknown key 'zebra'");
}

TEST(Document, NamesTheFirstOfManyUnknownKeys) {
  const auto parsed = document("b = 1\na = 2\n");
  EXPECT_EQ(error_of(parsed.finish()), "relay.toml:1: unknown key 'b'");
}

TEST(Document, RefusesUnknownTablesAndKeysInsideArrays) {
  EXPECT_EQ(error_of(document("\n[nobody]\n").finish()), "relay.toml:2: unknown key 'nobody'");
  const auto parsed = document("[[route]]\nto = \"x\"\n[[route]]\ntoo = \"y\"\n");
  for (const auto& route : parsed.root().tables("route").value()) EXPECT_TRUE(route.text("to", ""));
  EXPECT_EQ(error_of(parsed.finish()), "relay.toml:4: unknown key 'too' (did you mean 'to'?)");
}

TEST(Document, RefusesATableThatWasOnlyLookedFor) {
  const auto parsed = document("[tls]\nfile = \"x\"\n");
  EXPECT_TRUE(parsed.root().has("tls"));
  EXPECT_EQ(error_of(parsed.finish()), "relay.toml:2: unknown key 'file'");
}

TEST(Document, SaysWhatIsMissing) {
  const auto parsed = document("\n[listener]\n");
  EXPECT_EQ(error_of(parsed.root().table("listener").value().text("address")),
            "relay.toml:2: missing key 'address' in [listener]");
  EXPECT_EQ(error_of(parsed.root().text("zone")), "relay.toml:1: missing key 'zone'");
  EXPECT_EQ(error_of(parsed.root().table("store")), "relay.toml:1: missing table [store]");
  EXPECT_EQ(parsed.root().text("zone").error().code, Errc::not_found);
}

TEST(Document, NamesTheKeyThatWasWrittenInPlaceOfAMissingOne) {
  const auto parsed = document("zone = \"x\"\nrelay_adress = \"y\"\n[lisetner]\n");
  EXPECT_TRUE(parsed.root().text("zone"));
  const auto address = parsed.root().text("relay_address");
  EXPECT_EQ(error_of(address), "relay.toml:2: unknown key 'relay_adress' (did you mean 'relay_address'?)");
  EXPECT_EQ(address.error().code, Errc::malformed);
  EXPECT_EQ(error_of(parsed.root().table("listener")),
            "relay.toml:3: unknown key 'lisetner' (did you mean 'listener'?)");
  // One that was asked for is no mistake, however near it comes.
  EXPECT_EQ(error_of(parsed.root().text("zones")), "relay.toml:1: missing key 'zones'");
}

TEST(Document, SaysWhatItFoundAndWants) {
  const auto error = [](std::string_view text, auto read) {
    const auto parsed = document(text);
    return error_of(read(parsed.root()));
  };
  EXPECT_EQ(error("k = 1", [](const Table& t) { return t.text("k"); }),
            "relay.toml:1: key 'k': found an integer, want a text");
  EXPECT_EQ(error("k = \"yes\"", [](const Table& t) { return t.boolean("k", false); }),
            "relay.toml:1: key 'k': found a text, want true or false");
  EXPECT_EQ(error("\nk = 70000", [](const Table& t) { return t.integer("k", {1, 65'535}, 1); }),
            "relay.toml:2: key 'k': found 70000, want 1 to 65535");
  EXPECT_EQ(error("k = 10", [](const Table& t) { return t.duration("k", kAnyDuration); }),
            "relay.toml:1: key 'k': found an integer, want a text");
  EXPECT_EQ(error("k = \"10\"", [](const Table& t) { return t.duration("k", kAnyDuration); }),
            "relay.toml:1: key 'k': found \"10\", want a number and a unit ms, s, m, h or d, as in \"10s\"");
  EXPECT_EQ(error("k = \"1h\"", [](const Table& t) { return t.duration("k", {milliseconds(250), seconds(30)}); }),
            "relay.toml:1: key 'k': found \"1h\", want 250ms to 30s");
  EXPECT_EQ(
      error("k = \"1kb\"", [](const Table& t) { return t.size("k", kAnySize); }),
      "relay.toml:1: key 'k': found \"1kb\", want a number and a unit B, kB, MB, GB, KiB, MiB or GiB, as in \"64kB\"");
  EXPECT_EQ(error("k = \"1GB\"", [](const Table& t) { return t.size("k", {1, 1'000}, 1); }),
            "relay.toml:1: key 'k': found \"1GB\", want 1B to 1000B");
  EXPECT_EQ(error("k = [\"a\", 1]", [](const Table& t) { return t.texts("k"); }),
            "relay.toml:1: key 'k': found an integer in the array, want texts alone");
  EXPECT_EQ(error("k = [1]", [](const Table& t) { return t.tables("k"); }),
            "relay.toml:1: key 'k': found an integer, want tables alone");
  EXPECT_EQ(error("[k]\na = 1", [](const Table& t) { return t.named_tables("k"); }),
            "relay.toml:2: key 'a' in [k]: found an integer, want a table");
  EXPECT_EQ(error("[a]\nk = 1",
                  [](const Table& t) -> Result<void> { return t.table("a").value().refuse("k", "want a prime"); }),
            "relay.toml:2: key 'k' in [a]: want a prime");
}

TEST(Document, NamesThePlaceOfASyntaxError) {
  struct Case {
    const char* text;
    const char* begins;
  };
  for (const Case& c :
       {Case{"a = \n", "relay.toml:1:5: "}, Case{"a = 1\na = 2\n", "relay.toml:2:"}, Case{"\n\n[x\n", "relay.toml:3:"},
        Case{"a = \"\xFF\"\n", "relay.toml:1:"}, Case{"a = 99999999999999999999\n", "relay.toml:1:"},
        Case{"[[[", "relay.toml:1:"}, Case{"[\x7F]\n", "relay.toml:1:"}}) {
    const auto parsed = Document::parse(c.text, "relay.toml");
    ASSERT_FALSE(parsed) << c.text;
    EXPECT_EQ(parsed.error().code, Errc::malformed);
    EXPECT_TRUE(parsed.error().detail.starts_with(c.begins)) << parsed.error().detail;
  }
}

TEST(Document, IsRefusedWhenTooDeepOrTooLong) {
  EXPECT_FALSE(Document::parse("a = " + std::string(10'000, '['), "deep.toml"));
  EXPECT_FALSE(Document::parse(std::string(kMaxDocumentBytes + 1, '\n'), "long.toml"));
}

TEST(Document, LoadsAFileAndSaysWhyItCannot) {
  const auto folder = std::filesystem::path(testing::TempDir());
  const auto path = folder / fmt::format("document_test_{}.toml", ::getpid());
  std::ofstream(path) << "a = 1\n";
  const auto loaded = Document::load(path);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->root().integer("a", {0, 1}).value(), 1);
  std::filesystem::remove(path);
  EXPECT_EQ(Document::load(path).error().code, Errc::not_found);
  EXPECT_EQ(Document::load(folder).error().code, Errc::malformed);
}

TEST(Units, AreStrict) {
  EXPECT_EQ(parse_duration("250ms").value(), milliseconds(250));
  EXPECT_EQ(parse_duration("30d").value(), hours(720));
  EXPECT_EQ(parse_size("2GiB").value(), 2ULL << 30U);
  EXPECT_EQ(parse_size("0B").value(), 0U);
  for (const char* bad :
       {"", "s", "-1s", "+1s", " 1s", "1 s", "1.5s", "1S", "1ss", "1s ", "0x1s", "9223372036854775807d"})
    EXPECT_FALSE(parse_duration(bad)) << bad;
  for (const char* bad : {"", "1", "1k", "1KB", "1mB", "99999999999GiB", "-1B"}) EXPECT_FALSE(parse_size(bad)) << bad;
}

TEST(EditDistance, CountsEdits) {
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("abc", "abc"), 0U);
  EXPECT_EQ(edit_distance("timout", "timeout"), 1U);
  EXPECT_EQ(edit_distance("prot", "port"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

}  // namespace
}  // namespace sallyport::config
