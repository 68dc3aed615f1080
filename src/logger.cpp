#include "aethergraph/logger.hpp"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstdio>

namespace aethergraph {

namespace {

std::string to_text(const log_line& line) {
  return fmt::format(
      "{} {}{}{}: {}", to_string(line.level), line.run, line.node.empty() ? "" : " ", line.node, line.text);
}

class standard_error final : public logger {
 public:
  void write(const log_line& line) override {
    const auto ms = std::chrono::floor<std::chrono::milliseconds>(line.time);
    const auto midnight = std::chrono::floor<std::chrono::days>(ms);
    const std::chrono::year_month_day day(midnight);
    const std::chrono::hh_mm_ss time(ms - midnight);
    const std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z {}\n", int{day.year()},
        unsigned{day.month()}, unsigned{day.day()}, time.hours().count(), time.minutes().count(),
        time.seconds().count(), time.subseconds().count(), to_text(line));
    static_cast<void>(std::fwrite(text.data(), 1, text.size(), stderr));  // there is nowhere to complain
  }
};

}  // namespace

std::string_view to_string(log_level l) noexcept {
  constexpr std::array<std::string_view, 5> names{"debug", "info", "warning", "error", "off"};
  return names[static_cast<std::size_t>(l)];
}

logger& stderr_logger() noexcept {
  static auto& l = *new standard_error;  // never destroyed: runs may still log while other statics go
  return l;
}

void memory_logger::write(const log_line& line) {
  const std::lock_guard lock(mutex_);
  lines_.push_back(to_text(line));
}

std::vector<std::string> memory_logger::lines() const {
  const std::lock_guard lock(mutex_);
  return lines_;
}

}  // namespace aethergraph
