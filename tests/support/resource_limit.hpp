#pragma once
#include <sys/resource.h>

namespace stamarker::test {

/// While it lives this process, and any that it starts, has no more than `bytes` of a resource
/// (RLIMIT_AS, RLIMIT_FSIZE).
class ResourceLimit {
 public:
  ResourceLimit(decltype(RLIMIT_AS) resource, rlim_t bytes) : resource_(resource) {
    getrlimit(resource_, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(resource_, &limit);
  }
  ~ResourceLimit() { setrlimit(resource_, &before_); }
  ResourceLimit(const ResourceLimit&) = delete;
  ResourceLimit& operator=(const ResourceLimit&) = delete;

 private:
  decltype(RLIMIT_AS) resource_;
  rlimit before_{};
};

}  // namespace stamarker::test
