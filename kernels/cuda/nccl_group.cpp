#include <dlfcn.h>
#include <nccl.h>

#include <cstring>
#include <exception>
#include <type_traits>

#include "base/error.hpp"
#include "kernels/cuda/cuda_backend.hpp"
#include "kernels/device_group.hpp"

namespace stamarker {
namespace {

/// NCCL, loaded when it is first asked for: programs on one GPU start without it.
struct Nccl {
  void* library = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
  decltype(&ncclGetUniqueId) get_unique_id =
      function<decltype(&ncclGetUniqueId)>("ncclGetUniqueId");
  decltype(&ncclCommInitRank) init_rank = function<decltype(&ncclCommInitRank)>("ncclCommInitRank");
  decltype(&ncclCommDestroy) destroy = function<decltype(&ncclCommDestroy)>("ncclCommDestroy");
  decltype(&ncclCommAbort) abort = function<decltype(&ncclCommAbort)>("ncclCommAbort");
  decltype(&ncclGroupStart) group_start = function<decltype(&ncclGroupStart)>("ncclGroupStart");
  decltype(&ncclGroupEnd) group_end = function<decltype(&ncclGroupEnd)>("ncclGroupEnd");
  decltype(&ncclBroadcast) broadcast = function<decltype(&ncclBroadcast)>("ncclBroadcast");
  decltype(&ncclGetErrorString) error_string =
      function<decltype(&ncclGetErrorString)>("ncclGetErrorString");

  bool is_there() const {
    return get_unique_id != nullptr && init_rank != nullptr && destroy != nullptr &&
           abort != nullptr && group_start != nullptr && group_end != nullptr &&
           broadcast != nullptr && error_string != nullptr;
  }

 private:
  template <class F>
  F function(const char* name) const {
    return library == nullptr ? nullptr : reinterpret_cast<F>(dlsym(library, name));
  }
};

const Nccl& nccl() {
  static const Nccl loaded;
  return loaded;
}

void check_nccl(ncclResult_t status, Site where = Site::current()) {
  if (status != ncclSuccess) throw LibraryError("NCCL", nccl().error_string(status), where);
}

class NcclGroup : public DeviceGroup {
 public:
  NcclGroup(Stream stream, const Id& id, int rank, int n_ranks) : stream_(stream), rank_(rank) {
    ncclUniqueId unique;
    static_assert(sizeof unique == sizeof id);
    std::memcpy(&unique, id.data(), sizeof unique);
    check_nccl(nccl().init_rank(&comm_, n_ranks, unique, rank));
  }
  // ncclCommDestroy waits for ranks of the machine that may still be amid a sum which an error here
  // has left.
  ~NcclGroup() override {
    if (std::uncaught_exceptions() > 0)
      nccl().abort(comm_);
    else
      nccl().destroy(comm_);
  }
  NcclGroup(const NcclGroup&) = delete;
  NcclGroup& operator=(const NcclGroup&) = delete;

  void all_gather(const void* mine, std::span<const std::size_t> n_bytes, void* all) override {
    char* to = static_cast<char*>(all);
    check_nccl(nccl().group_start());
    for (int r = 0; r < static_cast<int>(n_bytes.size()); to += n_bytes[r++])
      check_nccl(nccl().broadcast(r == rank_ ? mine : to, to, n_bytes[r], ncclChar, r, comm_,
                                  static_cast<cudaStream_t>(stream_.handle)));
    check_nccl(nccl().group_end());
  }

 private:
  Stream stream_;
  int rank_;
  ncclComm_t comm_ = nullptr;
};

}  // namespace

bool can_join_groups(const Backend& backend) {
  return dynamic_cast<const CudaBackend*>(&backend) != nullptr && nccl().is_there();
}

DeviceGroup::Id new_group_id() {
  ncclUniqueId unique;
  check_nccl(nccl().get_unique_id(&unique));
  DeviceGroup::Id id;
  std::memcpy(id.data(), &unique, sizeof unique);
  return id;
}

std::unique_ptr<DeviceGroup> join_group(Backend& stream, const DeviceGroup::Id& id, int rank,
                                        int n_ranks) {
  return std::make_unique<NcclGroup>(dynamic_cast<CudaBackend&>(stream).stream(), id, rank,
                                     n_ranks);
}

}  // namespace stamarker
