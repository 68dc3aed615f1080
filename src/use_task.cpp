#include "aethergraph/use_task.hpp"

namespace aethergraph::detail {

bool is_aborted(const std::exception_ptr& e) noexcept {
  try {
    std::rethrow_exception(e);
  } catch (const boost::system::system_error& s) {
    return is_aborted(s.code());
  } catch (...) {
    return false;
  }
}

void asio_wait::enter(environment& e, receiver& r) {
  scope_ = e.cancellation;
  parent_ = &r;
  on_ready = [](ready_item& i) noexcept { static_cast<asio_wait&>(i).parent_->done(); };
  deliver_requests();
  scope_->add_wait(*this, "an operation of Asio's", e.current_call);
  home().foreign_started();
  home().make_executor();
}

void asio_wait::deliver_requests() noexcept {
  on_cancel = [](cancellable_wait& w) noexcept {
    static_cast<asio_wait&>(w).signal_.emit(boost::asio::cancellation_type::terminal);
  };
}

void asio_wait::leave() noexcept {
  scope_->remove_wait(*this);
  home().foreign_ended();
}

}  // namespace aethergraph::detail
