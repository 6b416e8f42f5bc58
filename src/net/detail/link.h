// Lists whose members bring their own places.
#pragma once

namespace sallyport::net {

// A place in a list whose members live where they are used: entering and leaving cost no memory. Leaves by itself when
// it ends. A link that is in no list is a list's head.
class Link {
 public:
  Link() : before_(this), after_(this) {}
  ~Link() { leave(); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  bool is_alone() const { return after_ == this; }
  void leave() {
    before_->after_ = after_;
    after_->before_ = before_;
    before_ = after_ = this;
  }
  // Of a head: the first member; itself where there is none.
  Link& first() const { return *after_; }
  Link& next() const { return *after_; }
  // Of a head: enters `last`, which is in no list.
  void append(Link& last) {
    last.before_ = before_;
    last.after_ = this;
    before_->after_ = &last;
    before_ = &last;
  }
  // Of an empty head: takes all members of `other`.
  void take(Link& other) {
    if (other.is_alone()) return;
    before_ = other.before_;
    after_ = other.after_;
    before_->after_ = after_->before_ = this;
    other.before_ = other.after_ = &other;
  }

 private:
  Link* before_;
  Link* after_;
};

}  // namespace sallyport::net
