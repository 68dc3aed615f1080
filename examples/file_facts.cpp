#include "file_facts.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <system_error>

namespace {

class sha256 {
 public:
  sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    if (!context_) throw std::bad_alloc();
    check(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
  }
  void add(std::span<const unsigned char> bytes) {
    check(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()));
  }
  std::string finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    unsigned size = 0;
    check(EVP_DigestFinal_ex(context_.get(), digest.data(), &size));
    std::string hex;
    for (const unsigned char byte : std::span(digest).first(size)) hex += fmt::format("{:02x}", byte);
    return hex;
  }

 private:
  static void check(int status) {
    if (status != 1) throw std::runtime_error("OpenSSL could not compute SHA-256");
  }

  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

class counts {
 public:
  void add(std::span<const unsigned char> bytes, file_facts& facts) {
    for (const unsigned char byte : bytes) {
      facts.lines += byte == '\n';
      if (byte == ' ' || (byte >= '\t' && byte <= '\r')) {
        is_in_word_ = false;
      } else if (byte > ' ' && byte <= '~') {  // for `wc`, what does not print neither begins nor ends a word
        facts.words += !is_in_word_;
        is_in_word_ = true;
      }
    }
    facts.bytes += bytes.size();
  }

 private:
  bool is_in_word_ = false;
};

}  // namespace

file_facts read_file_facts(const std::string& path) {
  const auto fail = [&path](const char* what) {
    throw std::system_error(errno, std::generic_category(), fmt::format("cannot {} '{}'", what, path));
  };
  const std::unique_ptr<std::FILE, decltype(&std::fclose)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file) fail("open");
  file_facts facts;
  sha256 hash;
  counts count;
  std::array<unsigned char, 1 << 16> buffer;
  while (const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), file.get())) {
    hash.add(std::span(buffer).first(size));
    count.add(std::span(buffer).first(size), facts);
  }
  if (std::ferror(file.get())) fail("read");
  facts.sha256 = hash.finish();
  return facts;
}
