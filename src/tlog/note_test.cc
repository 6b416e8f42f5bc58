#include "tlog/note.h"

#include <gtest/gtest.h>

#include "tlog/checkpoint.h"
#include "tlog/detail/test_vectors.h"

namespace sallyport::tlog {
namespace {

TEST(Note, OfTheGoDocumentationVerifies) {
  const auto vector = test_vector("note.txt", "go");
  const auto key = NoteKey::parse(vector.text("key"));
  ASSERT_TRUE(key) << key.error().detail;
  EXPECT_EQ(key->to_text(), vector.text("key"));
  const auto note = parse_note(vector.hidden_text("note"));
  ASSERT_TRUE(note) << note.error().detail;
  EXPECT_EQ(note->text, vector.hidden_text("text"));
  EXPECT_TRUE(verify_note(*note, *key));
  EXPECT_EQ(encode_note(*note), vector.hidden_text("note"));
}

TEST(NoteKey, OfSumGolangOrgHasTheIdThatEverybodyKnows) {
  const auto key = NoteKey::parse(test_vector("note.txt", "key-of-sum.golang.org").text("key"));
  ASSERT_TRUE(key) << key.error().detail;
  EXPECT_EQ(key->id(), 0x033de0aeU);
}

TEST(NoteKey, IsRefusedWithAnotherIdOrName) {
  for (const char* text : {"", "a", "a+b", "sum.golang.org+033de0af+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
                           "sum.golang.com+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
                           "sum.golang.org+033DE0AE+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
                           "sum.golang.org+033de0ae+As4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"}) {
    EXPECT_FALSE(NoteKey::parse(text)) << text;
  }
  EXPECT_FALSE(NoteKey::create("log", crypto::PrivateKey::generate().public_key()));
  const auto key = crypto::PrivateKey::generate(crypto::KeyType::ed25519);
  EXPECT_TRUE(NoteKey::create("log", key.public_key()));
  for (const char* name : {"", "a b", "a+b", "a\nb",
                           "a\xC2\xA0"
                           "b",
                           "a\xE3\x80\x80", "\xFF"}) {
    EXPECT_FALSE(NoteKey::create(name, key.public_key())) << name;
  }
}

TEST(Note, VectorsAreAcceptedRefusedOrMalformedAsTheirNamesSay) {
  for (const TestVector& vector : load_test_vectors("note.txt")) {
    if (!vector.has("note")) continue;
    const auto note = parse_note(vector.hidden_text("note"));
    if (vector.name.starts_with("malformed-")) {
      EXPECT_FALSE(note) << vector.name;
      continue;
    }
    ASSERT_TRUE(note) << vector.name;
    const auto key = NoteKey::parse(vector.text("key"));
    ASSERT_TRUE(key) << vector.name;
    EXPECT_EQ(verify_note(*note, *key).has_value(), !vector.name.starts_with("refused-")) << vector.name;
    EXPECT_EQ(encode_note(*note), vector.hidden_text("note")) << vector.name;
  }
}

TEST(Note, WeSignIsReadBackAndVerifies) {
  auto key = crypto::PrivateKey::generate(crypto::KeyType::ed25519);
  const auto note = sign_note("a text\n", "devices.example/log", key);
  ASSERT_TRUE(note);
  EXPECT_TRUE(verify_note(*note, *NoteKey::create("devices.example/log", key.public_key())));
  EXPECT_FALSE(verify_note(*note, *NoteKey::create("devices.example/lo", key.public_key())));
  EXPECT_EQ(*parse_note(encode_note(*note)), *note);
  EXPECT_FALSE(sign_note("no newline", "log", key));
  EXPECT_FALSE(sign_note("\x01\n", "log", key));
  EXPECT_FALSE(sign_note("a\n", "l og", key));
  auto p256 = crypto::PrivateKey::generate();
  EXPECT_FALSE(sign_note("a\n", "log", p256));
}

TEST(Checkpoint, OfTheWorkedExampleOpens) {
  const auto vector = test_vector("log.txt", "checkpoint");
  const auto key = NoteKey::parse(vector.text("key"));
  const auto checkpoint = open_checkpoint(vector.hidden_text("note"), *key);
  ASSERT_TRUE(checkpoint) << checkpoint.error().detail;
  EXPECT_EQ(checkpoint->origin, "devices.example/log");
  EXPECT_EQ(checkpoint->origin, origin_of("devices.example"));
  EXPECT_EQ(checkpoint->size, 3U);
  EXPECT_EQ(checkpoint->root, vector.hash("root"));
  EXPECT_EQ(encode_checkpoint(*checkpoint), vector.hidden_text("text"));
}

TEST(Checkpoint, IsRefusedUnderAnotherOriginThanItsKeys) {
  auto key = crypto::PrivateKey::generate(crypto::KeyType::ed25519);
  const Checkpoint checkpoint{.origin = "b.example/log", .size = 1, .root = Hash{}, .extensions = {}};
  const auto note = sign_note(encode_checkpoint(checkpoint), "a.example/log", key);
  ASSERT_TRUE(note);
  const auto opened = open_checkpoint(encode_note(*note), *NoteKey::create("a.example/log", key.public_key()));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::unauthorized);
}

TEST(Checkpoint, MustHaveItsThreeLines) {
  const std::string root = codec::encode_base64(Hash{});
  EXPECT_TRUE(parse_checkpoint("o\n0\n" + root + "\n"));
  EXPECT_TRUE(parse_checkpoint("o\n18446744073709551615\n" + root + "\nextension\n"));
  for (const std::string& text : std::initializer_list<std::string>{
           "", "o\n" + root + "\n", "o\n1\n", "\n1\n" + root + "\n", "o\n01\n" + root + "\n", "o\n-1\n" + root + "\n",
           "o\n18446744073709551616\n" + root + "\n", "o\n1\n" + root, "o\n1\nAAAA\n", "o\n1\n" + root + "\n\n",
           "o\n1 \n" + root + "\n", "o\n1\n" + root + " \n"}) {
    EXPECT_FALSE(parse_checkpoint(text)) << text;
  }
}

}  // namespace
}  // namespace sallyport::tlog
