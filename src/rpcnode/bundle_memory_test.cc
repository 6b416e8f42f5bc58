#include "rpcnode/bundle_memory.h"

#include <unistd.h>

#include <gtest/gtest.h>

#include "keystore/file.h"

namespace sallyport::rpcnode {
namespace {

const DnsName kZone("devices.example");
const DeviceName kDevice("abcdefghij"), kOther("bbbbbbbbbb");

class BundleMemoryTest : public testing::Test {
 protected:
  BundleMemoryTest() {
    char pattern[] = "/tmp/rpc-bundles-XXXXXX";
    folder_ = ::mkdtemp(pattern);
  }
  ~BundleMemoryTest() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path file() const { return folder_ / "below" / "bundles"; }
  static sealed::Bundle bundle(std::uint64_t sequence, std::string node = "pump-1") {
    sealed::Bundle out;
    out.node = sealed::NodeName(std::move(node));
    out.sequence = sequence;
    return out;
  }
  // Each run of a program opens it anew.
  Result<void> take(const sealed::Bundle& one, const DeviceName& device = kDevice) const {
    TRY(auto memory, BundleMemory::open(file()));
    return memory.take(kZone, device, one);
  }
  void write(std::string_view text) const {
    std::filesystem::create_directories(file().parent_path());
    ASSERT_TRUE(keystore::atomic_write_file(file(), as_bytes(text), keystore::kSecretMode));
  }
  std::filesystem::path folder_;
};

TEST_F(BundleMemoryTest, AnOlderBundleIsRefusedInEveryLaterRun) {
  ASSERT_TRUE(take(bundle(5)));
  ASSERT_TRUE(take(bundle(5))) << "the same again";
  ASSERT_TRUE(take(bundle(7)));
  for (const std::uint64_t old : {6U, 5U, 0U}) {
    const auto taken = take(bundle(old));
    ASSERT_FALSE(taken) << old;
    EXPECT_EQ(taken.error().code, Errc::conflict);
    EXPECT_NE(taken.error().detail.find(file().native()), std::string::npos) << taken.error().detail;
  }
  EXPECT_TRUE(take(bundle(8)));
}

TEST_F(BundleMemoryTest, NodesAndDevicesAreToldApart) {
  ASSERT_TRUE(take(bundle(9)));
  EXPECT_TRUE(take(bundle(1, "pump-2")));
  EXPECT_TRUE(take(bundle(1), kOther));
  const auto memory = BundleMemory::open(file());
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->seen(kZone, kDevice, sealed::NodeName("pump-1")), 9U);
  EXPECT_EQ(memory->seen(DnsName("other.example"), kDevice, sealed::NodeName("pump-1")), 0U);
}

TEST_F(BundleMemoryTest, TwoProgramsAtOnceLoseNothing) {
  auto first = BundleMemory::open(file());
  auto second = BundleMemory::open(file());
  ASSERT_TRUE(first->take(kZone, kDevice, bundle(5)));
  ASSERT_TRUE(second->take(kZone, kDevice, bundle(3, "pump-2")));
  EXPECT_FALSE(second->take(kZone, kDevice, bundle(4)));
  EXPECT_FALSE(first->take(kZone, kDevice, bundle(2, "pump-2")));
}

TEST_F(BundleMemoryTest, ADamagedFileIsNamedAndForgetsNothing) {
  ASSERT_TRUE(take(bundle(5)));
  const std::string good(as_text(*keystore::read_file(file(), kMaxBundleMemory)));
  for (const std::string& text : {std::string("something else\n"), good + "x y z w\n", good + "5 too few\n",
                                  good + "99999999999999999999999 a b c\n", good.substr(0, good.size() - 1)}) {
    write(text);
    const auto opened = BundleMemory::open(file());
    ASSERT_FALSE(opened) << text;
    EXPECT_NE(opened.error().detail.find(file().native()), std::string::npos) << opened.error().detail;
  }
}

TEST_F(BundleMemoryTest, NoMoreAreRememberedThanTheLimit) {
  std::string text = "sallyport rpc bundles 1\n";
  for (std::size_t i = 0; i < kMaxBundlesSeen; ++i)
    text += fmt::format("{} devices.example abcdefghij n{}\n", i + 1, i);
  write(text);
  ASSERT_TRUE(take(bundle(1'000'000)));
  const auto memory = BundleMemory::open(file());
  EXPECT_EQ(memory->seen(kZone, kDevice, sealed::NodeName("n0")), 0U) << "the one seen the longest ago";
  EXPECT_EQ(memory->seen(kZone, kDevice, sealed::NodeName("n1")), 2U);
  EXPECT_EQ(memory->seen(kZone, kDevice, sealed::NodeName("pump-1")), 1'000'000U);
}

}  // namespace
}  // namespace sallyport::rpcnode
