// Any bytes as what a store has of a value or of a failure: decoding gives one or throws, and what it gave comes back
// the same when it is encoded and decoded again.

#include <aethergraph/aethergraph.hpp>
#include <aethergraph/durable.hpp>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace ag = aethergraph;

namespace fuzz {
struct leaf {
  int number = 0;
  std::optional<double> weight;
};
BOOST_DESCRIBE_STRUCT(leaf, (), (number, weight))
struct tree {
  std::string name;
  std::vector<leaf> leaves;
  std::map<std::string, std::vector<std::uint64_t>> more;
};
BOOST_DESCRIBE_STRUCT(tree, (), (name, leaves, more))
}  // namespace fuzz

namespace {

template <class T>
void check(std::string_view text) {
  const ag::detail::codec_ops& ops = *ag::detail::find_codec_ops<T>();
  ag::result<T> first;
  try {
    ops.decode(text, &first);
  } catch (const std::exception&) {
    return;
  }
  const std::string encoded = ops.encode(&first.value());
  ag::result<T> second;
  ops.decode(encoded, &second);
  if (ops.encode(&second.value()) != encoded) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check<int>(text);
  check<std::uint64_t>(text);
  check<double>(text);
  check<float>(text);
  check<std::string>(text);
  check<std::vector<bool>>(text);
  check<std::tuple<int, std::string, double>>(text);
  check<fuzz::tree>(text);
  const std::string encoded = ag::detail::encode_failure(ag::detail::decode_failure(text));
  if (ag::detail::encode_failure(ag::detail::decode_failure(encoded)) != encoded) std::abort();
  return 0;
}
