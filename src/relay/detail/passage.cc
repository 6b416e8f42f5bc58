#include "relay/detail/passage.h"

#include "base/secret.h"
#include "net/copy.h"
#include "net/run.h"

namespace sallyport::relay {
namespace {

class SplicedPassage final : public Passage {
 public:
  SplicedPassage(net::RawSocket& user, net::RawSocket& data, net::PipePool& pool, OnEnd on_end)
      : splice_(net::Splice::start(user, data, pool,
                                   [told = std::move(on_end)](const std::optional<Error>&) { told(); })) {}

  void abort() override { splice_->abort(); }
  void look_at_windows() override { splice_->look_at_windows(); }
  std::uint64_t to_device() const override { return splice_->left_to_right(); }
  std::uint64_t to_user() const override { return splice_->right_to_left(); }

 private:
  std::shared_ptr<net::Splice> splice_;
};

class CopiedPassage final : public Passage, public std::enable_shared_from_this<CopiedPassage> {
 public:
  CopiedPassage(net::StreamPtr user, net::StreamPtr data, OnEnd on_end)
      : user_(std::move(user)), data_(std::move(data)), on_end_(std::move(on_end)) {}

  void abort() override {
    net::reset(*user_);
    net::reset(*data_);
  }
  void look_at_windows() override {}  // streams do it by themselves
  std::uint64_t to_device() const override { return to_device_; }
  std::uint64_t to_user() const override { return to_user_; }

  static net::Task<void> carry(std::shared_ptr<CopiedPassage> self) {
    co_await net::join(copy(self, *self->user_, *self->data_, self->to_device_),
                       copy(self, *self->data_, *self->user_, self->to_user_));
    self->user_->close();
    self->data_->close();
    self->on_end_();
  }

 private:
  static net::Task<void> copy(std::shared_ptr<CopiedPassage> self, net::Stream& from, net::Stream& to,
                              std::uint64_t& total) {
    Bytes buffer(net::kCopyBuffer);
    for (;;) {
      const auto got = co_await from.read_some(buffer, net::Deadline::never());
      if (!got) co_return self->abort();
      const ByteView bytes = ByteView(buffer).first(*got);
      total += bytes.size();
      const auto given = bytes.empty() ? co_await to.shutdown_write(net::Deadline::never())
                                       : co_await to.write_all(bytes, net::Deadline::never());
      wipe(std::span(buffer).first(bytes.size()));
      if (!given) co_return self->abort();
      if (bytes.empty()) co_return;
    }
  }

  net::StreamPtr user_;
  net::StreamPtr data_;
  OnEnd on_end_;
  std::uint64_t to_device_ = 0;
  std::uint64_t to_user_ = 0;
};

}  // namespace

std::shared_ptr<Passage> splice_passage(net::RawSocket& user, net::RawSocket& data, net::PipePool& pool,
                                        Passage::OnEnd on_end) {
  return std::make_shared<SplicedPassage>(user, data, pool, std::move(on_end));
}

std::shared_ptr<Passage> copy_passage(net::StreamPtr user, net::StreamPtr data, Passage::OnEnd on_end) {
  const auto executor = user->executor();
  auto passage = std::make_shared<CopiedPassage>(std::move(user), std::move(data), std::move(on_end));
  net::spawn(executor, CopiedPassage::carry(passage), "relay.copy");
  return passage;
}

}  // namespace sallyport::relay
