#include "aethergraph/detail/body.hpp"

#include <utility>

namespace aethergraph::detail {

void body_operation::finish(ready_item& i) noexcept {
  auto& op = static_cast<body_operation&>(i);
  if (op.promise) std::exchange(op.promise, nullptr)->handle().destroy();
  op.parent->done();
}

void body_operation::destroy_body(body_operation& outermost) noexcept {
  // Down to the innermost coroutine. On the way each waiting_for is turned round, to lead back up.
  promise_base* outer = nullptr;
  promise_base* p = outermost.promise;
  while (p->waiting_for && p->waiting_for->promise) {
    promise_base* inner = p->waiting_for->promise;
    p->waiting_for = outer ? outer->operation : nullptr;
    outer = p;
    p = inner;
  }
  for (;;) {
    p->operation->promise = nullptr;
    p->handle().destroy();
    if (!outer) return;
    p = outer;
    outer = p->waiting_for ? p->waiting_for->promise : nullptr;
  }
}

}  // namespace aethergraph::detail
