#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <cstdio>

#include "tools.hpp"
#ifdef WITH_process
#include <aethergraph/process.hpp>
#endif
#ifdef WITH_sqlite
#include <aethergraph/sqlite.hpp>
#endif

namespace ag = aethergraph;

int main() {
  const int here = ag::run(doubled_total({1, 2, 3}), {.max_concurrency = 1});
  const int there = total_in_other_unit({1, 2, 3});

  boost::asio::io_context io;
  auto future = ag::run_async(io.get_executor(), doubled_total({4, 5}), {}, boost::asio::use_future);
  io.run();
  const int later = future.get();

  std::printf("%d %d %d\n", here, there, later);
  const bool is_one_tool = address_of_twice_in_other_unit() == &twice;
#ifdef WITH_process
  if (ag::run(ag::run_process({"echo", "hello"})).out != "hello\n") return 1;
#endif
#ifdef WITH_sqlite
  if (ag::sqlite_store("consumer.db").find("none")) return 1;
#endif
  return here == 12 && there == 12 && later == 18 && is_one_tool ? 0 : 1;
}
