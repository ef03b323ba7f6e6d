#include "kernels/cpu/cpu_backend.hpp"

#include <oneapi/dnnl/dnnl.h>
#include <sys/mman.h>

#include <cstring>
#include <new>

namespace stamarker {
namespace {

constexpr std::size_t huge_page = std::size_t{1} << 21;

std::align_val_t alignment_for(std::size_t bytes) {
  return std::align_val_t{bytes >= huge_page ? huge_page : 64};
}

const char* name_of(dnnl_cpu_isa_t isa) {
  if (isa >= dnnl_cpu_isa_avx512_core) return "AVX-512";
  if (isa >= dnnl_cpu_isa_avx2) return "AVX2";
  if (isa >= dnnl_cpu_isa_avx) return "AVX";
  return "SSE4.1";
}

}  // namespace

void CpuBackend::upload(const void* host, void* device, std::size_t bytes) {
  if (bytes > 0) std::memcpy(device, host, bytes);
}
void CpuBackend::download(const void* device, void* host, std::size_t bytes) {
  if (bytes > 0) std::memcpy(host, device, bytes);
}
void CpuBackend::clear(void* device, std::size_t bytes) {
  if (bytes > 0) std::memset(device, 0, bytes);
}

std::string CpuBackend::description() const {
  const dnnl_version_t* version = dnnl_version();
  return "CPU, oneDNN " + std::to_string(version->major) + '.' + std::to_string(version->minor) +
         " kernels for " + name_of(dnnl_get_effective_cpu_isa());
}

// The size stands in front of the memory, so that release() knows the alignment it was taken with.
void* CpuBackend::acquire(std::size_t bytes) {
  const std::size_t alignment = static_cast<std::size_t>(alignment_for(bytes));
  char* whole = static_cast<char*>(::operator new (bytes + alignment, std::align_val_t{alignment}));
  if (alignment == huge_page) madvise(whole, bytes + alignment, MADV_HUGEPAGE);  // a wish, no more
  std::memcpy(whole + alignment - sizeof alignment, &alignment, sizeof alignment);
  return whole + alignment;
}

void CpuBackend::release(void* p) noexcept {
  if (p == nullptr) return;
  std::size_t alignment = 0;
  std::memcpy(&alignment, static_cast<char*>(p) - sizeof alignment, sizeof alignment);
  ::operator delete (static_cast<char*>(p) - alignment, std::align_val_t{alignment});
}

float* CpuBackend::packed(std::size_t n) {
  if (n > packed_size_) {
    packed_ = nullptr;  // first give back, then take
    packed_ = allocate(n * sizeof(float));
    packed_size_ = n;
  }
  return static_cast<float*>(packed_.get());
}

}  // namespace stamarker
