#include "aethergraph/progress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#if __has_include(<unistd.h>)
#include <unistd.h>
#endif

namespace aethergraph {

namespace {

using namespace std::chrono_literals;

bool is_a_terminal([[maybe_unused]] std::FILE* f) {
#if __has_include(<unistd.h>)
  return ::isatty(::fileno(f)) != 0;
#else
  return false;
#endif
}

double seconds(std::chrono::steady_clock::duration d) { return std::chrono::duration<double>(d).count(); }

void write(std::FILE* out, const std::string& text) {
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), out));  // a display that fails is no reason to stop
  static_cast<void>(std::fflush(out));
}

}  // namespace

progress::progress(std::FILE* out) : progress(out, is_a_terminal(out)) {}
progress::progress(std::FILE* out, bool is_terminal) : out_(out), is_terminal_(is_terminal) {}

void progress::on_event(const event& e) {
  const std::lock_guard lock(mutex_);
  const std::pair key(e.root_number(), e.number());
  switch (e.kind()) {
    case event_kind::run_started:
      if (live_runs_++ == 0 && done_ + not_done_ == 0) first_ = last_shown_ = e.time();
      return;
    case event_kind::node_made:
      if (e.node() == node_kind::call) ++waiting_;
      break;
    case event_kind::node_started:
      if (e.node() != node_kind::call) return;
      --waiting_;
      running_.insert_or_assign(key, running_call{e.id(), e.time()});
      break;
    case event_kind::node_stopping:
      break;
    case event_kind::node_attempt_failed:
      running_.erase(key);
      ++waiting_;
      break;
    case event_kind::node_ended:
      if (e.node() != node_kind::call) return;
      if (running_.erase(key) == 0) --waiting_;
      ++(e.state() == node_state::done ? done_ : not_done_);
      break;
    case event_kind::run_ended:
      note_end(e);
      return;
  }
  if (e.time() - last_shown_ >= (is_terminal_ ? duration(100ms) : duration(5s))) show(e.time());
}

void progress::note_end(const event& e) {
  --live_runs_;
  const std::string end = fmt::format("{} {}: {}\n", e.id(), to_string(e.state()), line(e.time()));
  write(out_, is_terminal_ ? "\r\x1b[K" + end : end);
  last_shown_ = e.time();
}

void progress::show(time now) {
  last_shown_ = now;
  write(out_, is_terminal_ ? "\r\x1b[K" + line(now) : line(now) + '\n');
}

std::string progress::line(time now) const {
  std::string text = fmt::format("{} done", done_);
  if (not_done_ > 0) text += fmt::format(", {} not done", not_done_);
  if (!running_.empty()) text += fmt::format(", {} running", running_.size());
  if (waiting_ > 0) text += fmt::format(", {} waiting", waiting_);
  if (now > first_) text += fmt::format(", {:.1f}/s", static_cast<double>(done_ + not_done_) / seconds(now - first_));
  if (!running_.empty()) {
    const auto slowest = std::ranges::min_element(running_, {}, [](const auto& r) { return r.second.since; });
    text += fmt::format(", slowest now {} for {:.1f} s", slowest->second.id, seconds(now - slowest->second.since));
  }
  return text;
}

}  // namespace aethergraph
