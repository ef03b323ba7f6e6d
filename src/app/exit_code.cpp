#include "app/exit_code.hpp"

#include <cstdio>
#include <cstdlib>

#include "app/run/interruption.hpp"
#include "base/error.hpp"
#include "base/text.hpp"

namespace stamarker {
namespace {

/// Ends all ranks, of which others may wait for this one in a collective.
int end_job(const Comm& world, const std::exception& error, int code) {
  std::fprintf(stderr, "stamarker: error: rank %d: %s\n", world.rank(),
               readable(error.what()).c_str());
  MPI_Abort(world.get(), code);
  return code;
}

}  // namespace

int exit_code_of(const Comm& world, const std::function<int()>& work) {
  constexpr int input_error = 2, interrupted = 75;
  constexpr double patience_s = 60;  // ranks that throw together come out together
  try {
    return work();
  } catch (const InputError& error) {
    if (!world.all_arrive(patience_s)) return end_job(world, error, input_error);
    if (world.rank() == 0)
      std::fprintf(stderr, "stamarker: error: %s\n", readable(error.what()).c_str());
    return input_error;
  } catch (const Interrupted&) {  // thrown on all ranks alike
    return interrupted;
  } catch (const std::exception& error) {
    return end_job(world, error, EXIT_FAILURE);
  }
}

}  // namespace stamarker
