#include "aethergraph/memory_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace aethergraph {

namespace {
std::chrono::system_clock::time_point now() { return std::chrono::system_clock::now(); }
}  // namespace

struct memory_store::run {
  stored_run info;
  std::vector<fact> facts;  // in the order of writing
  std::vector<question> questions;
  store_client* client = nullptr;  // of whoever has opened it

  void drop_open_questions() {
    std::erase_if(questions, [](const question& q) { return !q.answer; });
  }
};

/// All of it under the mutex of the store, also what the client is told, so that none is told once it is gone.
class memory_store::journal final : public run_journal {
 public:
  /// `client`: null of a run that has ended, and is only read.
  journal(memory_store& s, std::shared_ptr<run> r, store_client* client)
      : store_(s), run_(std::move(r)), info_(run_->info), has_it_(client != nullptr) {
    if (has_it_) run_->client = client;
  }
  ~journal() override {
    if (!has_it_) return;
    const std::lock_guard lock(store_.mutex_);
    run_->client = nullptr;
    run_->info.owner.clear();
  }

  [[nodiscard]] const stored_run& info() const noexcept override { return info_; }
  [[nodiscard]] std::vector<fact> take_facts() override {
    const std::lock_guard lock(store_.mutex_);
    return run_->facts;
  }

  void write(fact f) noexcept override {
    commit([&] { run_->facts.push_back(std::move(f)); });
  }
  void ask(question q) noexcept override {
    commit([&] {
      for (question& known : run_->questions)
        if (known.token == q.token) {
          if (known.answer) run_->client->answered(known.token, *known.answer);
          return;
        }
      run_->questions.push_back(std::move(q));
    });
  }
  void withdraw(std::string token) noexcept override {
    commit([&] { std::erase_if(run_->questions, [&](const question& q) { return q.token == token; }); });
  }
  void end(
      run_status s, std::string outcome, std::optional<std::chrono::system_clock::time_point> due) noexcept override {
    commit([&] {
      run_->info.status = s;
      run_->info.outcome = std::move(outcome);
      run_->info.due = due;
      if (has_ended(s)) run_->drop_open_questions();
    });
  }

 private:
  template <class Fn>
  void commit(Fn fn) noexcept {
    const std::lock_guard lock(store_.mutex_);
    if (has_failed_) return;
    try {
      if (store_.writes_left_) {
        if (*store_.writes_left_ == 0)
          throw store_error("memory_store: it fails, as `fail_after` has told it to; `heal` ends that");
        --*store_.writes_left_;
      }
      fn();
      run_->info.changed = now();
    } catch (...) {
      has_failed_ = true;
      run_->client->failed(std::current_exception());
      return;
    }
    ++store_.written_;
    run_->client->committed(++written_);
  }

  memory_store& store_;
  const std::shared_ptr<run> run_;
  const stored_run info_;
  const bool has_it_;
  std::uint64_t written_ = 0;
  bool has_failed_ = false;
};

memory_store::memory_store() = default;
memory_store::~memory_store() = default;

void memory_store::fail_after(std::uint64_t writes) {
  const std::lock_guard lock(mutex_);
  writes_left_ = writes;
}
void memory_store::heal() {
  const std::lock_guard lock(mutex_);
  writes_left_.reset();
}
std::uint64_t memory_store::written() const {
  const std::lock_guard lock(mutex_);
  return written_;
}

memory_store::run& memory_store::existing(std::string_view id) {
  for (const auto& r : runs_)
    if (r->info.id == id) return *r;
  throw store_error(fmt::format("memory_store: there is no run '{}'", id));
}
memory_store::run& memory_store::idle(std::string_view id) {
  run& r = existing(id);
  if (r.client) throw run_busy(fmt::format("run '{}' is being executed, by this process", id));
  return r;
}

std::unique_ptr<run_journal> memory_store::open(const run_claim& claim, store_client& client) {
  const std::lock_guard lock(mutex_);
  auto found = std::find_if(runs_.begin(), runs_.end(), [&](const auto& r) { return r->info.id == claim.id; });
  if (found == runs_.end()) {
    auto made = std::make_shared<run>();
    stored_run& info = made->info;
    info.id = claim.id;
    info.program = claim.program;
    info.version = claim.version;
    info.arguments = claim.arguments;
    info.structure = claim.structure;
    info.created = info.changed = now();
    found = runs_.insert(runs_.end(), std::move(made));
  }
  run& r = **found;
  if (has_ended(r.info.status)) return std::make_unique<journal>(*this, *found, nullptr);
  if (r.client) throw run_busy(fmt::format("run '{}' is being executed, by this process", claim.id));
  auto j = std::make_unique<journal>(*this, *found, &client);
  r.info.owner = "this process";
  r.info.slots = claim.slots;
  ++r.info.epoch;
  r.info.due.reset();
  r.info.status = run_status::running;
  return j;
}

std::vector<stored_run> memory_store::runs() {
  const std::lock_guard lock(mutex_);
  std::vector<stored_run> all;
  for (const auto& r : runs_) all.push_back(r->info);
  return all;
}

std::optional<stored_run> memory_store::find(std::string_view id) {
  const std::lock_guard lock(mutex_);
  for (const auto& r : runs_)
    if (r->info.id == id) return r->info;
  return std::nullopt;
}

std::vector<fact> memory_store::facts(std::string_view id, std::size_t skipped) {
  const std::lock_guard lock(mutex_);
  const std::vector<fact>& all = existing(id).facts;
  return {all.begin() + static_cast<std::ptrdiff_t>(std::min(skipped, all.size())), all.end()};
}

std::vector<question> memory_store::questions(std::string_view id) {
  const std::lock_guard lock(mutex_);
  if (!id.empty()) return existing(id).questions;
  std::vector<question> all;
  for (const auto& r : runs_) all.insert(all.end(), r->questions.begin(), r->questions.end());
  return all;
}

void memory_store::answer(std::string_view token, std::string_view value) {
  const std::lock_guard lock(mutex_);
  for (const auto& r : runs_)
    for (question& q : r->questions) {
      if (q.token != token) continue;
      if (q.answer)
        throw store_error(fmt::format("question '{}' has been answered before; the first answer counts", token));
      if (q.deadline && *q.deadline < now())
        throw store_error(fmt::format("question '{}': its deadline has passed", token));
      q.answer = std::string(value);
      if (r->client) r->client->answered(q.token, *q.answer);
      return;
    }
  throw store_error(fmt::format("memory_store: there is no open question '{}'", token));
}

void memory_store::cancel(std::string_view id) {
  const std::lock_guard lock(mutex_);
  run& r = existing(id);
  if (has_ended(r.info.status))
    throw store_error(fmt::format("run '{}' has ended: it is {}", id, to_string(r.info.status)));
  r.info.cancel_requested = true;
  if (r.client) return r.client->cancel_requested();
  r.info.status = run_status::cancelled;
  r.info.due.reset();
  r.info.changed = now();
  r.drop_open_questions();
}

void memory_store::forget(std::string_view id, const std::vector<std::uint64_t>& facts) {
  const std::lock_guard lock(mutex_);
  run& r = idle(id);
  std::erase_if(r.facts, [&](const fact& f) {
    if (std::find(facts.begin(), facts.end(), f.number) == facts.end()) return false;
    std::erase_if(r.questions, [&](const question& q) { return q.path == f.path; });
    return true;
  });
  r.info.status = run_status::running;
  r.info.outcome.clear();
  r.info.due.reset();
  r.info.cancel_requested = false;
  r.info.changed = now();
}

void memory_store::fork(std::string_view id, std::string_view new_id, const std::vector<std::uint64_t>& without) {
  const std::lock_guard lock(mutex_);
  for (const auto& r : runs_)
    if (r->info.id == new_id) throw store_error(fmt::format("memory_store: there is a run '{}' already", new_id));
  const run& from = existing(id);
  auto made = std::make_shared<run>();
  made->info = from.info;
  made->info.id = new_id;
  made->info.status = run_status::running;
  made->info.outcome.clear();
  made->info.owner.clear();
  made->info.epoch = 0;
  made->info.created = made->info.changed = now();
  made->info.due.reset();
  made->info.forked_from = id;
  made->info.cancel_requested = false;
  for (const fact& f : from.facts)
    if (std::find(without.begin(), without.end(), f.number) == without.end()) made->facts.push_back(f);
  runs_.push_back(std::move(made));
}

void memory_store::restate(const run_claim& claim) {
  const std::lock_guard lock(mutex_);
  stored_run& info = idle(claim.id).info;
  info.program = claim.program;
  info.version = claim.version;
  info.arguments = claim.arguments;
  info.structure = claim.structure;
}

void memory_store::erase(std::string_view id) {
  const std::lock_guard lock(mutex_);
  static_cast<void>(idle(id));
  std::erase_if(runs_, [&](const auto& r) { return r->info.id == id; });
}

}  // namespace aethergraph
