// file_facts: what the demo knows of a file.
#pragma once

#include <cstdint>
#include <string>

struct file_facts {
  std::string sha256;  ///< as `sha256sum` prints it
  std::uint64_t lines = 0;
  std::uint64_t words = 0;
  std::uint64_t bytes = 0;
};

/// Reads a file once, from its beginning to its end, in pieces.
/// Returns: its hash, and the counts that `wc` gives in the C locale.
/// Errors: `std::system_error`, whose message names the file and what went wrong.
file_facts read_file_facts(const std::string& path);
