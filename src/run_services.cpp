// What a run has for its bodies, of its own or of those around it: stores of values, a channel, services.
#include <fmt/format.h>

#include <boost/core/demangle.hpp>
#include <mutex>
#include <string>
#include <vector>

#include "aethergraph/channel.hpp"
#include "aethergraph/detail/host.hpp"
#include "aethergraph/detail/joined.hpp"
#include "aethergraph/detail/run_state.hpp"
#include "aethergraph/services.hpp"

namespace aethergraph::detail {

namespace {
std::mutex making;  // of what is made when it is asked for, by bodies on worker threads, too
}

std::uint64_t run_state::nonce() const {
  const std::lock_guard lock(making);
  const run_state& r = root();
  if (r.nonce_ == 0) r.nonce_ = home().random_bits() | 1;
  return r.nonce_;
}

key_value_store& run_state::kv() const {
  const std::lock_guard lock(making);
  const run_state& r = root();
  if (!r.kv_) r.kv_.reset(new key_value_store);
  return *r.kv_;
}

channel& run_state::channel() const noexcept {
  for (const run_state* r = this; r; r = r->outer_)
    if (r->options_.channel) return *r->options_.channel;
  const host* const h = home().host();
  return h && h->channel ? *h->channel : console();
}

key_value_store& run_state::runtime_kv() const {
  if (const host* h = home().host()) return *h->kv;
  throw service_error(fmt::format(
      "run of '{}': there is no runtime_kv() here, since no runtime hosts this run; use `ag::run(rt, …)` or "
      "`ag::start(rt, …)`",
      name()));
}

void* run_state::service(std::type_index type) const {
  std::vector<std::string> names;
  for (const run_state* r = this; r; r = r->outer_)
    if (const aethergraph::services* s = r->options_.services) {
      if (void* object = s->find(type)) return object;
      s->add_names(names);
    }
  if (const host* h = home().host()) {
    if (void* object = h->services->find(type)) return object;
    h->services->add_names(names);
  }
  throw service_error(
      fmt::format("run of '{}': there is no service of type '{}'; {}", name(), boost::core::demangle(type.name()),
          names.empty() ? std::string("none is registered")
                        : fmt::format("those registered are: {}", joined(names, ", "))));
}

}  // namespace aethergraph::detail
