#include "kernels/cpu/cpu_backend.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <new>

#include "kernels/cpu/gemm.hpp"
#include "kernels/cpu/instruction_sets.hpp"

namespace stamarker {
namespace {

constexpr std::size_t huge_page = std::size_t{1} << 21;
constexpr std::size_t cache_line = 64;

/// How memory was taken; stands a cache line in front of it.
struct Taken {
  void* whole;
  std::size_t n_mapped;  // bytes; 0: from the heap
};
static_assert(sizeof(Taken) <= cache_line);

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
  return "CPU, " + std::string(name_of(instruction_set())) + ", " + gemm_library() +
         (is_gemm_fast() ? "" : " and products of its own");
}

// Large memory is mapped for itself, on huge pages where the system has them, and given back when
// released. Advice on the heap would stay with what the heap puts there next, and the system then
// fills up its gaps when it likes. In front of the memory stands how it was taken.
void* CpuBackend::acquire(std::size_t bytes) {
  if (bytes < huge_page) {
    char* const whole =
        static_cast<char*>(::operator new (bytes + cache_line, std::align_val_t{cache_line}));
    new (whole) Taken{whole, 0};
    return whole + cache_line;
  }
  const std::size_t n = bytes + 2 * huge_page;
  void* const whole = mmap(nullptr, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (whole == MAP_FAILED) throw std::bad_alloc();
  const auto behind = reinterpret_cast<std::uintptr_t>(whole) % huge_page;
  char* const memory = static_cast<char*>(whole) + 2 * huge_page - behind;
  madvise(memory, bytes, MADV_HUGEPAGE);  // a wish, no more
  new (memory - cache_line) Taken{whole, n};
  return memory;
}

void CpuBackend::release(void* p) noexcept {
  if (p == nullptr) return;
  const Taken taken = *reinterpret_cast<const Taken*>(static_cast<char*>(p) - cache_line);
  if (taken.n_mapped > 0)
    munmap(taken.whole, taken.n_mapped);
  else
    ::operator delete (taken.whole, std::align_val_t{cache_line});
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
