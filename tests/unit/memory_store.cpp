#include "aethergraph/memory_store.hpp"

#include "support/catch.hpp"
#include "support/store_contract.hpp"

namespace ag = aethergraph;

TEST_CASE("memory_store does what a store has to do") {
  for (const test::contract_case& c : test::store_contract()) {
    DYNAMIC_SECTION(c.name) {
      ag::memory_store s;
      c.check(s);
    }
  }
}

TEST_CASE("memory_store fails after so many writes, until it is healed") {
  ag::memory_store s;
  s.fail_after(1);
  {
    test::recording_client c;
    const auto j = s.open(test::claim_of("a"), c);
    j->write(test::fact_with(1));
    j->write(test::fact_with(2));
    CHECK_THAT(c.failure(), Catch::Matchers::Contains("fail_after"));
    CHECK(c.count() == 1);
  }
  CHECK(s.written() == 1);
  s.heal();
  test::recording_client c;
  const auto j = s.open(test::claim_of("a"), c);
  CHECK(test::numbers_of(j->take_facts()) == std::vector<std::uint64_t>{1});
  j->write(test::fact_with(2));
  CHECK(c.waits_for(1));
}
