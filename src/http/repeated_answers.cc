#include "http/repeated_answers.h"

namespace sallyport::http {

std::shared_ptr<const Bytes> RepeatedAnswers::find(ByteView head) {
  if (answers_.empty() || head.size() > kMaxRepeatedRequest) return nullptr;
  if (is_over()) {
    clear();
    return nullptr;
  }
  const auto found = answers_.find(as_text(head));
  if (found == answers_.end()) return nullptr;
  ++found_;
  return found->second;
}

void RepeatedAnswers::put(ByteView head, std::shared_ptr<const Bytes> response) {
  if (head.size() > kMaxRepeatedRequest || response->size() > kMaxRepeatedResponse) return;
  if (is_over()) clear();
  if (answers_.size() >= kMaxRepeatedAnswers) return;
  if (answers_.empty()) began_ = clock_.monotonic();
  answers_.insert_or_assign(std::string(as_text(head)), std::move(response));
}

}  // namespace sallyport::http
