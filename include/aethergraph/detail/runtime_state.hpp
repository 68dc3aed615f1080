// What a runtime consists of. Shared by the runtime and its live runs, so that it outlives both.
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "aethergraph/detail/hosted_run.hpp"
#include "aethergraph/detail/permits.hpp"
#include "aethergraph/detail/worker_pool.hpp"
#include "aethergraph/key_value_store.hpp"
#include "aethergraph/runtime.hpp"
#include "aethergraph/services.hpp"

namespace aethergraph::detail {

/// Any thread.
// Invariant: idle_ is set while runs_ is empty and ending_ is 0; a new one stands there as soon as there is a run.
class runtime_state {
 public:
  runtime_state(boost::asio::any_io_executor ex, const runtime_options& o);
  runtime_state(const runtime_state&) = delete;
  runtime_state& operator=(const runtime_state&) = delete;
  ~runtime_state() = default;

  [[nodiscard]] static const std::shared_ptr<runtime_state>& of(const runtime& rt) noexcept { return rt.state_; }
  [[nodiscard]] const boost::asio::any_io_executor& executor() const noexcept { return executor_; }
  void add_observer(observer& o);

  /// A run begins. Errors: `error` when no more are taken.
  void add(const std::shared_ptr<hosted_base>& run);
  /// It has ended, and is found no more; `note_end` follows, when its handles say so.
  void remove(const hosted_base& run) noexcept;
  void note_end() noexcept;
  [[nodiscard]] host lend() const;
  [[nodiscard]] const std::shared_ptr<permit_pool>& permits() const noexcept { return permits_; }

  [[nodiscard]] std::vector<std::shared_ptr<hosted_base>> runs() const;
  [[nodiscard]] std::shared_ptr<hosted_base> find(std::string_view id) const;
  [[nodiscard]] std::shared_ptr<one_shot> idle() const;
  void cancel_all();
  void take_no_more() noexcept;
  /// Waits until no run lives; not for a borrowed context that does nothing any more.
  void wait_until_idle() const;

  services all_services;
  key_value_store kv;
  std::unique_ptr<worker_pool> workers;  // null: those of the process

 private:
  [[nodiscard]] bool is_context_still() const noexcept;

  const boost::asio::any_io_executor executor_;
  const std::shared_ptr<const std::atomic<bool>> context_has_ended_;
  const boost::asio::io_context* const io_;  // the context, where it is one
  const runtime_options options_;
  const std::shared_ptr<permit_pool> permits_;  // null: no cap

  mutable std::mutex mutex_;
  std::vector<observer*> observers_;
  std::map<std::uint64_t, std::shared_ptr<hosted_base>> runs_;
  std::size_t ending_ = 0;  // removed, but their handles do not say so yet
  std::shared_ptr<one_shot> idle_;
  bool takes_more_ = true;
};

}  // namespace aethergraph::detail
