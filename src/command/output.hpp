// What the command prints: as text for people, or as JSON.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <vector>

#include "aethergraph/explain.hpp"
#include "aethergraph/run_store.hpp"

namespace aethergraph::command {

/// Columns as wide as what is in them; the first row is their titles.
[[nodiscard]] std::string table(const std::vector<std::vector<std::string>>& rows);
/// "2024-05-01 12:30:00", in UTC.
[[nodiscard]] std::string text_of(std::chrono::system_clock::time_point t);
/// On one line, without what could be taken for another line, and cut where it is long.
[[nodiscard]] std::string one_line(std::string_view text, std::size_t most = 60);
/// What an answer must be.
[[nodiscard]] std::string valid_answers(const question& q);

[[nodiscard]] boost::json::value json_of(const stored_run& r);
[[nodiscard]] boost::json::value json_of(const fact& f);
[[nodiscard]] boost::json::value json_of(const question& q);
[[nodiscard]] boost::json::value json_of(const explanation& e);
template <class T>
[[nodiscard]] boost::json::value json_of(const std::vector<T>& all) {
  boost::json::array array;
  for (const T& one : all) array.push_back(json_of(one));
  return array;
}

}  // namespace aethergraph::command
