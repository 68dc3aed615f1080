#include "aethergraph/detail/worker_body.hpp"

namespace aethergraph::detail {

worker_body::worker_body(call_state& c, bool keeps, void (*r)(call_state&, bool) noexcept) noexcept
    : owner(c), keeps_arguments(keeps), run(r) {
  execute = [](crew_job& j) noexcept {
    auto& self = static_cast<worker_body&>(j);
    self.run(self.owner, self.keeps_arguments);
    return false;  // what comes next may be code of the user's
  };
  on_ready = [](ready_item& i) noexcept {
    auto& self = static_cast<worker_body&>(static_cast<crew_job&>(i));
    call_state& ended = self.owner;
    ended.cancellation->remove_wait(self);
    ended.on_body_end(ended);
  };
  on_cancel = [](cancellable_wait& w) noexcept {
    // relaxed: only the flag matters; results come back by way of the inbox
    static_cast<worker_body&>(w).stop_flag.store(true, std::memory_order_relaxed);
  };
}

}  // namespace aethergraph::detail
