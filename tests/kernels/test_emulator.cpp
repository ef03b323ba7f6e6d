#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/warp.hpp"

/// The emulator that stands in for a GPU: it runs kernels as a GPU does, and names what a GPU
/// leaves undefined. Each kernel below that breaks a rule breaks one.
namespace stamarker::test {
namespace {

using cuda_emulation::KernelFault;

/// The message of the fault that the launch ends with; empty when it ends well.
template <class... Parameters, class... Arguments>
std::string fault_of(const Launch& how, void (*kernel)(Parameters...), Arguments... arguments) {
  try {
    launch(Stream{}, how, kernel, arguments...);
  } catch (const KernelFault& fault) {
    return fault.what();
  }
  return "";
}

void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << '"' << text << "\" lacks \"" << part << '"';
}

__global__ void number_threads(int* out) {
  const int i = static_cast<int>(blockIdx.y * gridDim.x + blockIdx.x);
  out[i * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x)] += i + 1;
}

TEST(Launcher, RunsEachThreadOfEachBlockOnce) {
  std::vector<int> out(3 * 2 * 64);

  launch(Stream{}, {.n_blocks = 3, .n_blocks_y = 2, .n_threads = 64}, number_threads, out.data());

  for (std::size_t t = 0; t < out.size(); ++t) EXPECT_EQ(out[t], static_cast<int>(t) / 64 + 1);
}

__global__ void note_order(int* order, int* n_so_far) {
  if (threadIdx.x == 0) order[(*n_so_far)++] = static_cast<int>(blockIdx.x);
}

TEST(Launcher, RunsBlocksInAnotherOrderEachTime) {
  std::vector<int> first(50), second(50);
  int n_first = 0, n_second = 0;

  launch(Stream{}, {.n_blocks = 50, .n_threads = 32}, note_order, first.data(), &n_first);
  launch(Stream{}, {.n_blocks = 50, .n_threads = 32}, note_order, second.data(), &n_second);

  EXPECT_NE(first, second);
  std::sort(first.begin(), first.end());
  for (int k = 0; k < 50; ++k) EXPECT_EQ(first[k], k);
}

__global__ void sum_block(const double* values, double* sums) {
  BlockMemory memory;
  const Shared<double> workspace = memory.take<double>(4);
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  const double total = block_sum(values[i], workspace);
  const double most = warp_max(values[i]);
  if (threadIdx.x == 0) sums[2 * blockIdx.x] = total;
  if (threadIdx.x == blockDim.x - 1) sums[2 * blockIdx.x + 1] = most;
}

TEST(Launcher, AddsOverTheThreadsOfABlock) {
  std::vector<double> values(2 * 128);
  std::iota(values.begin(), values.end(), 0);
  std::vector<double> sums(4);

  launch(Stream{}, {.n_blocks = 2, .n_threads = 128, .shared_bytes = shared_bytes<double>(4)},
         sum_block, values.data(), sums.data());

  EXPECT_EQ(sums, (std::vector<double>{127 * 64, 127, 127 * 64 + 128 * 128, 255}));
}

__global__ void shuffle_lanes(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  int* mine = out + 8 * lane;
  mine[0] = __shfl_sync(all_lanes, lane, 5);
  mine[1] = __shfl_up_sync(all_lanes, lane, 2);
  mine[2] = __shfl_down_sync(all_lanes, lane, 2);
  mine[3] = __shfl_xor_sync(all_lanes, lane, 1);
  mine[4] = __shfl_sync(all_lanes, lane, 1, 8);
  mine[5] = static_cast<int>(__ballot_sync(all_lanes, lane % 3 == 0));
  mine[6] = lane < 7 ? __shfl_sync(0x7f, lane, 6) : -1;
  mine[7] = __any_sync(all_lanes, lane == 31) + 2 * __all_sync(all_lanes, lane != 31);
}

TEST(Launcher, ShufflesAndVotesAsAWarpDoes) {
  std::vector<int> out(32 * 8);

  launch(Stream{}, {.n_threads = 32}, shuffle_lanes, out.data());

  for (int lane = 0; lane < 32; ++lane) {
    const std::vector<int> got(out.begin() + 8 * lane, out.begin() + 8 * lane + 8);
    EXPECT_EQ(got, (std::vector<int>{5, lane < 2 ? lane : lane - 2, lane < 30 ? lane + 2 : lane,
                                     lane ^ 1, lane / 8 * 8 + 1, 0x49249249, lane < 7 ? 6 : -1, 1}))
        << "lane " << lane;
  }
}

/// How neighbours exchange values through shared memory, and the barrier between.
enum class Between { nothing, block, warp };

__global__ void pass_on(Between between, int distance, int* out) {
  BlockMemory memory;
  const Shared<int> values = memory.take<int>(static_cast<int>(blockDim.x));
  const unsigned t = threadIdx.x;
  values[t] = static_cast<int>(t);
  if (between == Between::block) __syncthreads();
  if (between == Between::warp) __syncwarp();
  out[t] = values[(t + distance) % blockDim.x];
}

constexpr Launch two_warps{.n_threads = 64, .shared_bytes = shared_bytes<int>(64)};

TEST(Launcher, TellsARaceFromAnExchangeWithABarrier) {
  std::vector<int> out(64);

  EXPECT_EQ(fault_of(two_warps, pass_on, Between::block, 33, out.data()), "");
  EXPECT_EQ(out[40], (40 + 33) % 64);
  expect_contains(fault_of(two_warps, pass_on, Between::nothing, 33, out.data()), "barrier");
  EXPECT_EQ(fault_of(two_warps, pass_on, Between::nothing, 64, out.data()), "") << "its own value";
}

TEST(Launcher, KnowsThatABarrierOfAWarpOrdersThatWarpOnly) {
  std::vector<int> out(64);
  const Launch one_warp{.n_threads = 32, .shared_bytes = shared_bytes<int>(32)};

  EXPECT_EQ(fault_of(one_warp, pass_on, Between::warp, 1, out.data()), "");
  EXPECT_NE(fault_of(two_warps, pass_on, Between::warp, 1, out.data()), "");
}

__global__ void overwrite_what_others_read(bool with_barrier) {
  BlockMemory memory;
  const Shared<int> value = memory.take<int>(1);
  if (threadIdx.x == 0) value[0] = 1;
  __syncthreads();
  const int seen = value[0];
  if (with_barrier) __syncthreads();
  if (threadIdx.x == 63) value[0] = seen + 1;
}

TEST(Launcher, NamesAWriteOverWhatOthersStillRead) {
  EXPECT_EQ(fault_of(two_warps, overwrite_what_others_read, true), "");
  expect_contains(fault_of(two_warps, overwrite_what_others_read, false), "element 0");
}

__global__ void count_in_shared(bool with_atomic, int* total) {
  BlockMemory memory;
  const Shared<int> count = memory.take<int>(1);
  if (threadIdx.x == 0) count[0] = 0;
  __syncthreads();
  if (with_atomic)
    count.atomic_add(0, 1);
  else
    count[0] += 1;
  __syncthreads();
  if (threadIdx.x == 0) atomicAdd(total, static_cast<int>(count[0]));
}

TEST(Launcher, LetsAtomicsMeetButNotPlainSums) {
  int total = 0;

  EXPECT_EQ(fault_of(two_warps, count_in_shared, true, &total), "");
  EXPECT_EQ(total, 64);
  EXPECT_NE(fault_of(two_warps, count_in_shared, false, &total), "");
}

__global__ void read_element(int i, bool write_first, int* out) {
  BlockMemory memory;
  const Shared<int> values = memory.take<int>(10);
  if (write_first && threadIdx.x == 0) values[i] = 1;
  if (threadIdx.x == 0) *out = values[i];
}

TEST(Launcher, NamesElementsOutsideAndElementsNeverWritten) {
  int out = 0;
  const Launch how{.n_threads = 32, .shared_bytes = shared_bytes<int>(10)};

  EXPECT_EQ(fault_of(how, read_element, 9, true, &out), "");
  expect_contains(fault_of(how, read_element, 10, true, &out), "element 10 of piece 0");
  expect_contains(fault_of(how, read_element, -1, true, &out), "element -1");
  expect_contains(fault_of(how, read_element, 3, false, &out), "no thread has written it");
}

__global__ void take_too_much() {
  BlockMemory memory;
  memory.take<float>(4);
  memory.take<float>(1);
}

TEST(Launcher, NamesMoreSharedMemoryThanWasLaunchedWith) {
  expect_contains(fault_of({.n_threads = 32, .shared_bytes = 16}, take_too_much), "piece 1");
}

__global__ void meet_apart(int kind) {
  const bool is_first = threadIdx.x == 0;
  if (kind == 0 && is_first) __syncthreads();  // the others return
  if (kind == 1) {
    if (threadIdx.x < 32)
      __syncthreads();
    else
      __syncthreads();
  }
  if (kind == 2 && is_first) __syncwarp();
  if (kind == 3 && threadIdx.x != 7) __shfl_sync(all_lanes, 1, 0);
  if (kind == 4) __shfl_sync(0xffu, 1, 9);
  if (kind == 5) __shfl_sync(all_lanes & ~(1u << threadIdx.x % 32), 1, 0);
}

TEST(Launcher, NamesBarriersThatThreadsDoNotMeetAt) {
  const Launch how{.n_threads = 64};

  expect_contains(fault_of(how, meet_apart, 0), "has returned");
  expect_contains(fault_of(how, meet_apart, 1), "different barriers");
  EXPECT_NE(fault_of(how, meet_apart, 2), "");
  EXPECT_NE(fault_of(how, meet_apart, 3), "");
  EXPECT_NE(fault_of(how, meet_apart, 4), "");
  EXPECT_NE(fault_of(how, meet_apart, 5), "");
  EXPECT_EQ(fault_of(how, meet_apart, 6), "") << "and goes on well after faults";
}

TEST(Launcher, RefusesBlocksThatNoDeviceRuns) {
  EXPECT_THROW(launch(Stream{}, {.n_threads = 33}, meet_apart, 6), std::logic_error);
  EXPECT_THROW(launch(Stream{}, {.n_threads = 1056}, meet_apart, 6), std::logic_error);
  EXPECT_THROW(launch(Stream{}, {.n_threads = 32, .shared_bytes = 1 << 18}, meet_apart, 6),
               std::logic_error);
}

__global__ void write_global(int* out, int n) {
  for (int i = static_cast<int>(threadIdx.x); i <= n; i += static_cast<int>(blockDim.x)) out[i] = i;
}

#if defined(__SANITIZE_ADDRESS__)
TEST(LauncherDeathTest, LetsAddressSanitizerSeeDeviceMemory) {
  std::vector<int> out(100);

  EXPECT_DEATH(launch(Stream{}, {.n_threads = 32}, write_global, out.data(), 100),
               "heap-buffer-overflow");
}
#else
TEST(Launcher, WritesDeviceMemory) {
  std::vector<int> out(101);

  launch(Stream{}, {.n_threads = 32}, write_global, out.data(), 100);

  EXPECT_EQ(out[100], 100);
}
#endif

}  // namespace
}  // namespace stamarker::test
