#include "kernels/backend.hpp"

#include <utility>

namespace stamarker {
namespace {

class CalledAgain : public Recording {
 public:
  explicit CalledAgain(std::function<void()> enqueue) : enqueue_(std::move(enqueue)) {}
  void replay() override { enqueue_(); }

 private:
  std::function<void()> enqueue_;
};

}  // namespace

std::unique_ptr<Recording> Backend::record(std::function<void()> enqueue) {
  return std::make_unique<CalledAgain>(std::move(enqueue));
}

}  // namespace stamarker
