#include "kernels/backend.hpp"

#include <utility>

namespace stamarker {
namespace {

class RepeatedCall : public CapturedGraph {
 public:
  explicit RepeatedCall(std::function<void()> enqueue) : enqueue_(std::move(enqueue)) {}
  void launch() override { enqueue_(); }

 private:
  std::function<void()> enqueue_;
};

}  // namespace

std::unique_ptr<CapturedGraph> Backend::capture(std::function<void()> enqueue) {
  return std::make_unique<RepeatedCall>(std::move(enqueue));
}

}  // namespace stamarker
