// Facts that are made safe: by a store that commits what has come together, next to a transaction each. A window of so
// many facts is in flight: the next one is written when the oldest is safe. Real time, since it is the disk's.
#include <fmt/format.h>
#include <sqlite3.h>
#include <aethergraph/sqlite.hpp>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "work.hpp"

namespace ag = aethergraph;

namespace {

/// A directory for a file, gone afterwards. Not in memory, where a disk waits for nothing.
class scratch {
 public:
  scratch() {
    std::string name = "./journal_XXXXXX";
    if (!::mkdtemp(name.data())) throw std::runtime_error("no directory for the benchmark");
    directory_ = name;
  }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  ~scratch() { std::filesystem::remove_all(directory_); }
  [[nodiscard]] std::string path() const { return directory_ / "runs.db"; }

 private:
  std::filesystem::path directory_;
};

ag::fact fact_with(int number) {
  const auto now = std::chrono::system_clock::now();
  return {.number = static_cast<std::uint64_t>(number),
      .attempts = 1,
      .path = fmt::format("nightly/{}", number),
      .name = "fetch",
      .version = "1",
      .arguments = fmt::format("[{}]", number),
      .value = fmt::format("{}", number + 1),
      .made = now,
      .started = now,
      .ended = now};
}

class client final : public ag::store_client {
 public:
  void committed(std::uint64_t count) noexcept override {
    count_ = count;
    count_.notify_one();
  }
  void failed(std::exception_ptr) noexcept override { std::abort(); }
  void answered(std::string_view, std::string_view) noexcept override {}
  void cancel_requested() noexcept override {}

  void wait_for(std::uint64_t count) const {
    for (std::uint64_t c = count_; c < count; c = count_) count_.wait(c);
  }

 private:
  std::atomic<std::uint64_t> count_ = 0;
};

// One run, or as many runs as facts are in flight.
template <ag::synchronous Synchronous, bool ManyRuns>
void grouped(benchmark::State& state) {
  const int window = bench::size_of(state);
  const int runs = ManyRuns ? window : 1;
  const int in_flight = window / runs;
  const int items = std::max(1000, 100 * window) / window * window;
  const scratch file;
  {
    ag::sqlite_store store{file.path(), {.synchronous = Synchronous}};
    std::vector<std::unique_ptr<client>> clients;
    std::vector<std::unique_ptr<ag::run_journal>> journals;
    for (int r = 0; r < runs; ++r) {
      clients.push_back(std::make_unique<client>());
      journals.push_back(store.open({fmt::format("{}", r), "nightly", "1", "[]", ""}, *clients.back()));
    }
    std::uint64_t before = 0;
    for (auto _ : state) {
      const int each = items / runs;
      for (int i = 0; i < each; ++i)
        for (std::size_t r = 0; r < journals.size(); ++r) {
          const std::uint64_t written = before + static_cast<std::uint64_t>(i);
          if (i >= in_flight) clients[r]->wait_for(written + 1 - static_cast<std::uint64_t>(in_flight));
          journals[r]->write(fact_with(i));
        }
      before += static_cast<std::uint64_t>(each);
      for (const auto& c : clients) c->wait_for(before);
    }
    for (int r = 0; r < runs; ++r)
      if (store.facts(fmt::format("{}", r)).size() != before) state.SkipWithError("facts are missing");
  }
  // The store is closed: all of it is in the one file.
  state.counters["bytes_per_item"] =
      static_cast<double>(std::filesystem::file_size(file.path())) / static_cast<double>(state.iterations() * items);
  bench::count_items(state, items);
}

// The same facts, each in a transaction of its own, by as few calls of SQLite as can be.
template <ag::synchronous Synchronous>
void one_by_one(benchmark::State& state) {
  const int items = 1000;
  const scratch file;
  sqlite3* db = nullptr;
  sqlite3_stmt* insert = nullptr;
  sqlite3_open(file.path().c_str(), &db);
  sqlite3_exec(db,
      "pragma journal_mode = wal; create table fact(number integer primary key, attempts, path, name, version, "
      "arguments, "
      "value, made, started, ended)",
      nullptr, nullptr, nullptr);
  sqlite3_exec(db, Synchronous == ag::synchronous::full ? "pragma synchronous = full" : "pragma synchronous = normal",
      nullptr, nullptr, nullptr);
  sqlite3_prepare_v2(db, "insert into fact values(null, ?, ?, ?, ?, ?, ?, ?, ?, ?)", -1, &insert, nullptr);
  const auto bind = [&](int at, const std::string& text) {
    sqlite3_bind_text(insert, at, text.c_str(), static_cast<int>(text.size()), SQLITE_STATIC);
  };
  for (auto _ : state)
    for (int i = 0; i < items; ++i) {
      const ag::fact f = fact_with(i);
      sqlite3_bind_int(insert, 1, f.attempts);
      bind(2, f.path);
      bind(3, f.name);
      bind(4, f.version);
      bind(5, f.arguments);
      bind(6, f.value);
      for (const auto& [at, time] : {std::pair(7, f.made), std::pair(8, f.started), std::pair(9, f.ended)})
        sqlite3_bind_int64(insert, at, time.time_since_epoch().count());
      if (sqlite3_step(insert) != SQLITE_DONE) state.SkipWithError("a fact was not written");
      sqlite3_reset(insert);
    }
  sqlite3_finalize(insert);
  sqlite3_close(db);
  bench::count_items(state, items);
}

void windows(benchmark::internal::Benchmark* b) { b->Arg(1)->Arg(64)->Arg(1000)->UseRealTime(); }

constexpr auto full = ag::synchronous::full;
constexpr auto normal = ag::synchronous::normal;
BENCHMARK(grouped<full, false>)->Name("journal full/aethergraph")->Apply(windows);
BENCHMARK(grouped<full, true>)->Name("journal full/aethergraph_a_run_each")->Arg(64)->UseRealTime();
BENCHMARK(one_by_one<full>)->Name("journal full/one_by_one")->Apply(windows);
BENCHMARK(grouped<normal, false>)->Name("journal normal/aethergraph")->Apply(windows);
BENCHMARK(grouped<normal, true>)->Name("journal normal/aethergraph_a_run_each")->Arg(64)->UseRealTime();
BENCHMARK(one_by_one<normal>)->Name("journal normal/one_by_one")->Apply(windows);

}  // namespace
