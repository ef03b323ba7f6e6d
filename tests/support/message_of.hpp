#pragma once
#include <functional>
#include <string>

#include "base/error.hpp"

namespace stamarker::test {

/// What `work` throws as an InputError, or "no InputError".
inline std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError";
}

}  // namespace stamarker::test
