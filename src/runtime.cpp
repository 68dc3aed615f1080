#include "aethergraph/runtime.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <iterator>
#include <thread>

#include "aethergraph/detail/runtime_state.hpp"

namespace aethergraph {

using std::chrono::steady_clock;

namespace detail {

/// The threads of a runtime that borrows none.
class own_threads {
 public:
  explicit own_threads(int threads) : io_(threads), work_(boost::asio::make_work_guard(io_)) {
    try {
      for (int i = 0; i < threads; ++i)
        threads_.emplace_back([this] {
          mark_thread_as_owned();
          io_.run();
        });
    } catch (...) {
      join();
      throw;
    }
  }
  own_threads(const own_threads&) = delete;
  own_threads& operator=(const own_threads&) = delete;
  ~own_threads() { join(); }  // after the last handlers of runs that have ended

  [[nodiscard]] boost::asio::any_io_executor executor() { return io_.get_executor(); }

 private:
  void join() noexcept {
    work_.reset();
    for (std::thread& t : threads_) t.join();
  }

  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::vector<std::thread> threads_;
};

void delete_threads(own_threads* t) noexcept { delete t; }

namespace {

own_threads* make_threads(int threads) {
  if (threads < 1) throw option_error(fmt::format("a runtime has {} threads; it needs at least 1", threads));
  return new own_threads(threads);
}

const boost::asio::io_context* find_io_context(const boost::asio::any_io_executor& ex) {
  const auto* io = ex.target<boost::asio::io_context::executor_type>();
  return io ? &io->context() : nullptr;
}

std::shared_ptr<permit_pool> make_permits(const runtime_options& o) {
  if (!o.max_concurrency) return nullptr;
  if (*o.max_concurrency < 1)
    throw option_error(fmt::format("a runtime's max_concurrency is {}; it must be at least 1", *o.max_concurrency));
  return std::make_shared<permit_pool>(static_cast<std::size_t>(*o.max_concurrency));
}

}  // namespace

runtime_state::runtime_state(boost::asio::any_io_executor ex, const runtime_options& o)
    : executor_(std::move(ex)),
      context_has_ended_(strand_loop::context_end(executor_)),
      io_(find_io_context(executor_)),
      options_(o),
      permits_(make_permits(o)),
      idle_(std::make_shared<one_shot>()) {
  if (o.workers < 0)
    throw option_error(
        fmt::format("a runtime has {} workers; it must be at least 0, which means those of the process", o.workers));
  if (o.workers > 0) workers = std::make_unique<worker_pool>(static_cast<std::size_t>(o.workers));
  if (o.observer) observers_.push_back(o.observer);
  idle_->set();
}

void runtime_state::add_observer(observer& o) {
  const std::lock_guard lock(mutex_);
  observers_.push_back(&o);
}

void runtime_state::add(const std::shared_ptr<hosted_base>& run) {
  const std::lock_guard lock(mutex_);
  if (!takes_more_) throw error(fmt::format("run '{}' was not started: the runtime was shut down", run->id()));
  if (runs_.empty() && ending_ == 0) idle_ = std::make_shared<one_shot>();
  runs_.emplace(run->number(), run);
}

void runtime_state::remove(const hosted_base& run) noexcept {
  const std::lock_guard lock(mutex_);
  runs_.erase(run.number());
  ++ending_;
}

void runtime_state::note_end() noexcept {
  std::shared_ptr<one_shot> idle;
  {
    const std::lock_guard lock(mutex_);
    if (--ending_ == 0 && runs_.empty()) idle = idle_;
  }
  if (idle) idle->set();
}

host runtime_state::lend() const {
  const std::lock_guard lock(mutex_);
  host h;
  h.channel = options_.channel;
  h.logger = options_.logger;
  h.observers = observers_;
  h.workers = workers.get();
  return h;
}

std::vector<std::shared_ptr<hosted_base>> runtime_state::runs() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<hosted_base>> all;
  all.reserve(runs_.size());
  for (const auto& [number, run] : runs_) all.push_back(run);
  return all;
}

std::shared_ptr<hosted_base> runtime_state::find(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [number, run] : runs_)
    if (run->id() == id) return run;
  return nullptr;
}

std::shared_ptr<one_shot> runtime_state::idle() const {
  const std::lock_guard lock(mutex_);
  return idle_;
}

void runtime_state::cancel_all() {
  for (const auto& run : runs()) run->cancel();
}

void runtime_state::take_no_more() noexcept {
  const std::lock_guard lock(mutex_);
  takes_more_ = false;
}

bool runtime_state::is_context_still() const noexcept { return context_has_ended_->load() || (io_ && io_->stopped()); }

void runtime_state::wait_until_idle() const {
  while (!idle()->wait_for(std::chrono::milliseconds(10)))
    if (is_context_still()) return;
}

std::shared_ptr<runtime_state> state_of(const runtime& rt) noexcept { return runtime_state::of(rt); }

}  // namespace detail

runtime::runtime(const runtime_options& options)
    : threads_(detail::make_threads(options.threads)),
      state_(std::make_shared<detail::runtime_state>(threads_->executor(), options)) {}

runtime::runtime(boost::asio::any_io_executor ex, const runtime_options& options, borrowed_t)
    : state_(std::make_shared<detail::runtime_state>(std::move(ex), options)) {}

runtime::~runtime() {
  state_->take_no_more();
  state_->cancel_all();
  state_->wait_until_idle();
}

boost::asio::any_io_executor runtime::executor() const { return state_->executor(); }
services& runtime::services() noexcept { return state_->all_services; }
key_value_store& runtime::kv() noexcept { return state_->kv; }
void runtime::add_observer(observer& o) { state_->add_observer(o); }

std::vector<run_info> runtime::runs() const {
  std::vector<run_info> all;
  for (const auto& run : state_->runs())
    all.push_back({run->id(), run->name(), steady_clock::now() - run->started(), run->was_cancelled()});
  return all;
}

std::size_t runtime::permits_held() const {
  const auto& permits = state_->permits();
  return permits ? permits->capacity() - permits->free() : 0;
}

bool runtime::cancel(std::string_view run_id) {
  const auto run = state_->find(run_id);
  if (run) run->cancel();
  return run != nullptr;
}

void runtime::cancel_all() { state_->cancel_all(); }

runtime::drain_awaitable runtime::drain() const { return drain_awaitable(state_->idle()); }

std::vector<std::string> runtime::shutdown(duration patience) {
  detail::refuse_blocking_wait();
  state_->take_no_more();
  state_->cancel_all();
  std::vector<std::string> names;
  if (state_->idle()->wait_for(patience)) return names;
  for (const auto& run : state_->runs()) run->add_stopping(names, std::chrono::milliseconds(100));
  return names;
}

std::string runtime::dump() const {
  const auto runs = state_->runs();
  std::string text = fmt::format("{} live runs", runs.size());
  if (const auto& permits = state_->permits())
    text += fmt::format(", {} of {} permits held", permits_held(), permits->capacity());
  text += '\n';
  for (const auto& run : runs) run->describe(text, std::chrono::milliseconds(100));
  return text;
}

}  // namespace aethergraph
