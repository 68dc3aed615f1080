#include "aethergraph/detail/codec_ops.hpp"

#include <map>
#include <mutex>
#include <typeindex>

#include "aethergraph/codec.hpp"

namespace aethergraph::detail {

namespace {
struct registry {
  std::mutex mutex;
  std::map<std::type_index, const codec_ops*> all;
};
registry& known() {
  static registry& r = *new registry;  // for runs that go on while the process ends
  return r;
}
}  // namespace

void register_codec(const std::type_info& tag, const codec_ops& codec) {
  registry& r = known();
  const std::lock_guard lock(r.mutex);
  r.all.try_emplace(tag, &codec);
}

const codec_ops* registered_codec(const std::type_info& tag) noexcept {
  registry& r = known();
  const std::lock_guard lock(r.mutex);
  const auto found = r.all.find(tag);
  return found == r.all.end() ? nullptr : found->second;
}

}  // namespace aethergraph::detail
