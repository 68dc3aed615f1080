#include "aethergraph/context.hpp"

#include <fmt/format.h>

#include <utility>

#include "aethergraph/detail/durable_run.hpp"
#include "aethergraph/logger.hpp"

namespace aethergraph {

std::string context::id() const {
  if (!tool_) return run_id();
  return run().node_id(surroundings_->current_call->number, tool_->name);
}

// What a body draws on a worker thread is not recorded: it calls nothing that depends on it, and its outcome is.
std::string context::recorded(const char* what, std::string fresh) const {
  detail::durable_run* const d = run().durable();
  return d && !worker_stop_ ? d->value(*surroundings_, what, std::move(fresh)) : fresh;
}

std::chrono::steady_clock::time_point context::in_run_time(std::chrono::steady_clock::time_point t) const noexcept {
  return detail::saturating_add(t, run().durable()->clock_offset());
}

std::chrono::steady_clock::time_point context::recorded_now() const {
  const auto now = in_run_time(surroundings_->cancellation->home().now());
  return std::chrono::steady_clock::time_point(
      duration(std::stoll(recorded("now", std::to_string(now.time_since_epoch().count())))));
}

std::uint64_t context::random() const {
  return std::stoull(recorded("random", std::to_string(surroundings_->cancellation->home().random_bits())));
}

std::string context::uuid() const {
  detail::loop& l = surroundings_->cancellation->home();
  const std::uint64_t high = (l.random_bits() & ~0xf000ULL) | 0x4000;
  const std::uint64_t low = (l.random_bits() & ~(0xc0ULL << 56)) | (0x80ULL << 56);
  return recorded("uuid", fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xffff,
                              high & 0xffff, low >> 48, low & 0xffff'ffff'ffff));
}

std::string context::idempotency_key() const {
  if (const detail::durable_run* d = run().durable()) {
    const detail::node_number node = tool_ ? surroundings_->current_call->number : run().number();
    std::string path = node == detail::no_node ? std::string() : run().log()->replay_path(node);
    // Whichever attempt of a call around this one it is: nobody knows how many a former execution has made.
    for (std::size_t at = path.find('~'); at != std::string::npos; at = path.find('~', at))
      path.erase(at, path.find_first_not_of("0123456789", at + 1) - at);
    return fmt::format("{}@{}", d->id(), path);
  }
  return fmt::format("{:016x}@{}", run().nonce(), id());
}

void node_logger::write(log_level level, const std::string& text) const {
  const std::string run = context_.run_id();
  const std::string node = context_.node_id();
  logger_.write({level, std::chrono::system_clock::now(), run, node, text});
}

}  // namespace aethergraph
